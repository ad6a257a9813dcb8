/* SPDX-License-Identifier: MIT */
/*
 * Description: --check-invalidation and a device's own translations: a guest that changes its page
 * table and forgets ATC_INV, which TLBI is not, is told when the device next goes by the old one,
 * once, with what it was handed out for and what is there now. What still leads to the same memory
 * with enough permission is no finding.
 */
#include "smmu.h"

#define VA	  0x7f0000000000ul
#define EATS_FULL (1ull << 28)
#define OTHER	  (VA + 0x10000)

static struct gun gun;
static struct smmu smmu;

static struct aim by_ats(uint32_t pasid, uint32_t ctrl)
{
	return (struct aim){.ctrl = IOAS_TLPGUN_BY_ATS | IOAS_TLPGUN_WITH_PASID | ctrl,
			    .pasid = pasid};
}

static unsigned put(uint32_t pasid, uint64_t va, uint64_t value)
{
	return gun_write(&gun, by_ats(pasid, 0), va, value);
}

static unsigned get(uint32_t pasid, uint64_t va)
{
	return gun_send(&gun, by_ats(pasid, 0), 0, va);
}

/* All that the IOMMU caches; and all that the device does. */
static void forget_iommu(void)
{
	check("TLBI_NH_ALL", smmu_command(&smmu, 0x10, 0), 0);
	check("CFGI_CD_ALL", smmu_command(&smmu, 0x06 | (uint64_t)STREAM << 32, 31), 0);
}

static void forget(void)
{
	forget_iommu();
	check("ATC_INV", smmu_command(&smmu, 0x40 | (uint64_t)STREAM << 32, 52), 0);
}

static void another_page(volatile uint64_t *pte)
{
	uint64_t was = *pte;

	check("handed out", put(5, VA, 1), 0);
	*pte = guest_page(&smmu.guest) | PTE_PAGE;
	forget_iommu();
	check("another page, without ATC_INV", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	check("  the old one was written",
	      *(volatile long *)guest_at(&smmu.guest, was & 0xfffffffff000), 2);
	check("  the page is named", recorded(&gun, "\"taken\":{\"first\":\"0x7f0000000000\","), 1);
	check("  the PASID", recorded(&gun, "\"pasid\":5"), 1);
	check("  and it passed", recorded(&gun, "\"passed\":true"), 1);
	check("  what is there now leads on", recorded(&gun, "\"stage\":0"), 1);
	check("it is told once", put(5, VA, 3), 0);
	forget();
	check("with ATC_INV", put(5, VA, 4), 0);
	check("  the new one was written",
	      *(volatile long *)guest_at(&smmu.guest, *pte & 0xfffffffff000), 4);
	*pte = guest_page(&smmu.guest) | PTE_PAGE;
	forget_iommu();
	check("handed out again, it is told again", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	forget();
}

static void permissions(volatile uint64_t *pte)
{
	check("handed out", put(5, VA, 1), 0);
	*pte |= PTE_RO;
	forget_iommu();
	check("a read of what may only be read", get(5, VA), 0);
	check("a write", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	check("  stage 1 would refuse it", recorded(&gun, "\"stage\":1"), 1);
	forget();
	*pte &= ~PTE_RO;
	check("handed out, privileged", gun_write(&gun, by_ats(5, IOAS_TLPGUN_PRIV), VA, 1), 0);
	*pte &= ~PTE_USER;
	forget_iommu();
	check("not for users any more", gun_write(&gun, by_ats(5, IOAS_TLPGUN_PRIV), VA, 1), 0);
	*pte |= PTE_USER;
	forget();
	check("handed out", put(5, VA, 1), 0);
	*pte &= ~PTE_USER;
	forget_iommu();
	check("not for users any more", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	*pte |= PTE_USER;
	forget();
}

static void nothing_there(volatile uint64_t *pte)
{
	uint64_t was = *pte;
	struct smmu_record record;

	check("handed out", put(5, VA, 1), 0);
	*pte = 0;
	forget_iommu();
	check("nothing there", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	check("  by name", recorded(&gun, "\"kind\":\"empty\""), 1);
	check("  no event: nothing was refused", smmu_event(&smmu, &record), 0);
	*pte = was;
	check("there again", put(5, VA, 3), 0);
	forget();
}

/* Nobody can say by which of two translations to a page a request went. */
static void one_of_two(uint64_t root, volatile uint64_t *pte)
{
	uint64_t was = *pte;

	*smmu_pte(&smmu, root, OTHER) = was;
	check("handed out", put(5, VA, 1), 0);
	check("the same page at another address", put(5, OTHER, 1), 0);
	*pte = guest_page(&smmu.guest) | PTE_PAGE;
	forget_iommu();
	check("one of them is right", put(5, VA, 2), 0);
	*smmu_pte(&smmu, root, OTHER) = 0;
	check("none is", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	forget();
}

static void another_table(uint64_t root)
{
	volatile uint64_t *cd = smmu_cd(&smmu, 5);
	uint64_t other = guest_page(&smmu.guest);

	smmu_map(&smmu, other, VA);
	check("handed out", put(5, VA, 1), 0);
	check("to another PASID", put(6, VA, 1), 0);
	cd[1] = other;
	forget_iommu();
	check("the other PASID's is right", put(6, VA, 2), 0);
	check("another table", put(5, VA, 2), IOAS_PASSED_ATS_STALE);
	cd[1] = root;
	forget();
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	volatile uint64_t *pte;
	uint64_t root, second;

	gun = gun_ready("0000:01:00.0", fd);
	smmu = smmu_new(fd, gun.id, 8);
	root = guest_page(&smmu.guest);
	second = guest_page(&smmu.guest);
	smmu_map(&smmu, root, VA);
	smmu_map(&smmu, second, VA);
	pte = smmu_pte(&smmu, root, VA);
	smmu_put_cd(&smmu, 5, CD_BASE | CD_EPD1 | 5ull << 48, root, 0);
	smmu_put_cd(&smmu, 6, CD_BASE | CD_EPD1 | 6ull << 48, second, 0);
	check("attached", smmu_tables(&smmu, &gun, 2 | EATS_FULL), 0);
	another_page(pte);
	permissions(pte);
	nothing_there(pte);
	one_of_two(root, pte);
	another_table(root);
	return check_done();
}
