/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest's device with a cache of translations, behind an SMMUv3: it is handed none
 * until the guest says that ATS is on (EATS), and keeps them until the guest says ATC_INV, which
 * TLBI is not; the host's UNMAP takes them back by itself.
 */
#include "smmu.h"

#define VA	  0x7f0000000000ul
#define EATS_FULL (1ull << 28)
#define BY_ATS(p) ((struct aim){.ctrl = IOAS_TLPGUN_BY_ATS | IOAS_TLPGUN_WITH_PASID, .pasid = (p)})

static struct gun gun;
static struct smmu smmu;

static long held(void)
{
	return (long)gun_get64(&gun, IOAS_TLPGUN_HELD);
}

static long atc_inv(uint32_t stream)
{
	return smmu_command(&smmu, 0x40 | (uint64_t)stream << 32, 52);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	volatile uint64_t *page, *pte;
	uint64_t root, done;

	gun = gun_ready("0000:01:00.0", fd);
	smmu = smmu_new(fd, gun.id, 8);
	root = guest_page(&smmu.guest);
	page = smmu_map(&smmu, root, VA);
	pte = smmu_pte(&smmu, root, VA);
	smmu_put_cd(&smmu, 5, CD_BASE, root, 0);
	check("without EATS", smmu_tables(&smmu, &gun, 2), 0);
	check("by ATS", gun_write(&gun, BY_ATS(5), VA, 1), IOAS_FAULT_TRANSLATED);
	check("as it is", gun_write(&gun, TAGGED(5), VA, 2), 0);
	check("with EATS", smmu_tables(&smmu, &gun, 2 | EATS_FULL), 0);
	check("by ATS", gun_write(&gun, BY_ATS(5), VA, 3), 0);
	check("  it landed", (long)*page, 3);
	check("  and holds the translation", held(), 1);
	*pte = guest_page(&smmu.guest) | PTE_PAGE;
	check("TLBI_NH_VA", smmu_tlbi(&smmu, 0, VA), 0);
	check("holds it yet", held(), 1);
	check("and uses it", gun_write(&gun, BY_ATS(5), VA, 4), 0);
	check("  it landed", (long)*page, 4);
	check("ATC_INV of another", atc_inv(STREAM + 1), -EIO);
	check("holds it yet", held(), 1);
	check("ATC_INV", atc_inv(STREAM), 0);
	check("gave it back", held(), 0);
	check("by ATS", gun_write(&gun, BY_ATS(5), VA, 5), 0);
	check("  lands in the new page",
	      *(volatile long *)guest_at(&smmu.guest, *pte & 0xfffffffff000), 5);
	check("unmapped by the host", unmap(fd, smmu.guest.ioas, RAM, RAM_LEN, &done), 0);
	check("gave it back", held(), 0);
	/* Something has to be on record. */
	check("nothing there", gun_write(&gun, TAGGED(5), VA, 6), IOAS_FAULT_NOT_MAPPED);
	return check_done();
}
