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
	{IOAS_FAULT_OF_VTD, 0x31, "legacy mode: a PASID"},
	{IOAS_FAULT_OF_VTD, 0x44, "scalable mode: device-TLB not enabled"},
	{IOAS_FAULT_OF_VTD, 0x45, "scalable mode: PASIDs not enabled"},
	{IOAS_FAULT_OF_VTD, 0x46, "scalable mode: PASID too large"},
	{IOAS_FAULT_OF_VTD, 0x59, "scalable mode: PASID table entry not present"},
	{IOAS_FAULT_OF_VTD, 0x5d, "scalable mode: no privileged requests (SRE)"},
	{IOAS_FAULT_OF_VTD, 0x71, "scalable mode: first-stage entry not present"},
	{IOAS_FAULT_OF_VTD, 0x72, "scalable mode: reserved bits in a first-stage entry"},
	{IOAS_FAULT_OF_VTD, 0x74, "scalable mode: first-stage table beyond the second's width"},
	{IOAS_FAULT_OF_VTD, 0x75, "scalable mode: first-stage root may not be read"},
	{IOAS_FAULT_OF_VTD, 0x76, "scalable mode: first-stage table may not be read"},
	{IOAS_FAULT_OF_VTD, 0x77, "scalable mode: first-stage table may not be written"},
	{IOAS_FAULT_OF_VTD, 0x79, "scalable mode: second-stage entry not present"},
	{IOAS_FAULT_OF_VTD, 0x80, "scalable mode: address not canonical"},
	{IOAS_FAULT_OF_VTD, 0x81, "scalable mode: a privileged page"},
	{IOAS_FAULT_OF_VTD, 0x82, "scalable mode: no execute permission"},
	{IOAS_FAULT_OF_VTD, 0x84, "scalable mode: address beyond the width"},
	{IOAS_FAULT_OF_VTD, 0x85, "scalable mode: no write permission"},
	{IOAS_FAULT_OF_VTD, 0x86, "scalable mode: no read permission"},
	{IOAS_FAULT_OF_AMD, 0x2, "IO_PAGE_FAULT"},
	{IOAS_FAULT_OF_AMD, 0x7, "IOTLB_INV_TIMEOUT"},
	{IOAS_FAULT_OF_AMD, 0x8, "INVALID_DEVICE_REQUEST"},
	{IOAS_FAULT_OF_SMMUV3, 0x04, "C_BAD_STE"},
	{IOAS_FAULT_OF_SMMUV3, 0x05, "F_BAD_ATS_TREQ"},
	{IOAS_FAULT_OF_SMMUV3, 0x06, "F_STREAM_DISABLED"},
	{IOAS_FAULT_OF_SMMUV3, 0x07, "F_TRANSL_FORBIDDEN"},
	{IOAS_FAULT_OF_SMMUV3, 0x08, "C_BAD_SUBSTREAMID"},
	{IOAS_FAULT_OF_SMMUV3, 0x0a, "C_BAD_CD"},
	{IOAS_FAULT_OF_SMMUV3, 0x10, "F_TRANSLATION"},
	{IOAS_FAULT_OF_SMMUV3, 0x11, "F_ADDR_SIZE"},
	{IOAS_FAULT_OF_SMMUV3, 0x12, "F_ACCESS"},
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
