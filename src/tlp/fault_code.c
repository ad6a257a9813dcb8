/* SPDX-License-Identifier: MIT */
/*
 * The numbers by which vendors' IOMMUs report what they refuse. Intel VT-d D51397, 7.1.3; AMD
 * 48882, 2.5; Arm IHI 0070, 7.3; RISC-V IOMMU 1.0, 3.2.
 */
#include <stddef.h>
#include <ioas/tlp.h>

static const struct {
	uint16_t vendor, code;
	const char *name;
} names[] = {
	{IOAS_FAULT_OF_VTD, 0x02, "context entry not present"},
	{IOAS_FAULT_OF_VTD, 0x04, "address beyond the width"},
	{IOAS_FAULT_OF_VTD, 0x05, "no write permission"},
	{IOAS_FAULT_OF_VTD, 0x06, "no read permission"},
	{IOAS_FAULT_OF_VTD, 0x0d, "the context entry blocks requests of ATS"},
	{IOAS_FAULT_OF_VTD, 0x44, "scalable mode: device-TLB not enabled"},
	{IOAS_FAULT_OF_VTD, 0x45, "scalable mode: PASIDs not enabled"},
	{IOAS_FAULT_OF_VTD, 0x46, "scalable mode: PASID too large"},
	{IOAS_FAULT_OF_VTD, 0x59, "scalable mode: PASID table entry not present"},
	{IOAS_FAULT_OF_VTD, 0x85, "scalable mode: no write permission"},
	{IOAS_FAULT_OF_VTD, 0x86, "scalable mode: no read permission"},
	{IOAS_FAULT_OF_AMD, 0x2, "IO_PAGE_FAULT"},
	{IOAS_FAULT_OF_AMD, 0x7, "IOTLB_INV_TIMEOUT"},
	{IOAS_FAULT_OF_AMD, 0x8, "INVALID_DEVICE_REQUEST"},
	{IOAS_FAULT_OF_SMMUV3, 0x05, "F_BAD_ATS_TREQ"},
	{IOAS_FAULT_OF_SMMUV3, 0x07, "F_TRANSL_FORBIDDEN"},
	{IOAS_FAULT_OF_SMMUV3, 0x08, "C_BAD_SUBSTREAMID"},
	{IOAS_FAULT_OF_SMMUV3, 0x0a, "C_BAD_CD"},
	{IOAS_FAULT_OF_SMMUV3, 0x10, "F_TRANSLATION"},
	{IOAS_FAULT_OF_SMMUV3, 0x13, "F_PERMISSION"},
	{IOAS_FAULT_OF_RISCV, 12, "instruction page fault"},
	{IOAS_FAULT_OF_RISCV, 13, "read page fault"},
	{IOAS_FAULT_OF_RISCV, 15, "write/AMO page fault"},
	{IOAS_FAULT_OF_RISCV, 258, "DDT entry not valid"},
	{IOAS_FAULT_OF_RISCV, 260, "transaction type disallowed"},
	{IOAS_FAULT_OF_RISCV, 266, "PDT entry not valid"},
};

const char *ioas_fault_code_name(enum ioas_fault_vendor vendor, unsigned code)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].vendor == vendor && names[i].code == code)
			return names[i].name;
	return NULL;
}
