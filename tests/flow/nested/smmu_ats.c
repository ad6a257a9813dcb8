/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest's device with a cache of translations, behind an SMMUv3: it is handed none
 * until the guest says that ATS is on (EATS), and keeps them until the guest says ATC_INV, which
 * TLBI is not, and which is of the addresses and the SubstreamID that it names; the host's UNMAP
 * takes them back by itself.
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

/* Two pages of PASID 5 and one of PASID 6. */
static void hold_three(void)
{
	check("PASID 5", gun_write(&gun, BY_ATS(5), VA, 1), 0);
	check("the next page", gun_write(&gun, BY_ATS(5), VA + 0x1000, 1), 0);
	check("PASID 6", gun_write(&gun, BY_ATS(6), VA, 1), 0);
	check("  three are held", held(), 3);
}

#define SSV    (1u << 11)
#define GLOBAL (1u << 9)

/* IHI 0070, 4.5.1: SSV, Global, SubstreamID; address and size. */
static void each_is_of_what_it_names(void)
{
	static const struct {
		const char *what;
		uint64_t first, second;
		long held;
	} all[] = {
		{"PASID 5, elsewhere", SSV | 5 << 12, VA + 0x2000, 3},
		{"PASID 7, everywhere", SSV | 7 << 12, 52, 3},
		{"PASID 5, its second page", SSV | 5 << 12, VA + 0x1000, 2},
		{"PASID 6, everywhere", SSV | 6 << 12, 52, 1},
		{"all, the second page", 0, VA + 0x1000, 1},
		{"all, the first page", 0, VA, 0},
		{NULL, 0, 0, 0},
		{"each PASID, the first page", SSV | GLOBAL | 9 << 12, VA, 1},
		{"all, two pages from the second", 0, (VA + 0x1000) | 1, 0},
		{NULL, 0, 0, 0},
		{"all, everywhere", 0, 52, 0},
	};

	hold_three();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].what) {
			hold_three();
			continue;
		}
		check(all[i].what,
		      smmu_command(&smmu, 0x40 | all[i].first | (uint64_t)STREAM << 32,
				   all[i].second),
		      0);
		check("  are held yet", held(), all[i].held);
	}
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	volatile uint64_t *page, *pte;
	uint64_t root, other, done;

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
	check("ATC_INV", atc_inv(STREAM), 0);
	smmu_map(&smmu, root, VA + 0x1000);
	other = guest_page(&smmu.guest);
	smmu_map(&smmu, other, VA);
	smmu_put_cd(&smmu, 6, CD_BASE | 6ull << 48, other, 0);
	each_is_of_what_it_names();
	check("by ATS", gun_write(&gun, BY_ATS(5), VA, 7), 0);
	check("unmapped by the host", unmap(fd, smmu.guest.ioas, RAM, RAM_LEN, &done), 0);
	check("gave it back", held(), 0);
	/* Something has to be on record. */
	check("nothing there", gun_write(&gun, TAGGED(5), VA, 6), IOAS_FAULT_NOT_MAPPED);
	return check_done();
}
