/* SPDX-License-Identifier: MIT */
/*
 * The machine that the ioctl and TLP streams meet: what the engine is told, and beside it what
 * follows, written down by hand.
 */
#include "machine.h"

/* Four IOMMUs, a multifunction device, a bridge, switches without ACS and with it, a quirk. */
static const char *const lines[] = {
	"iommu kind=soft,aw=48,pasid=20,pasid0apart,dirty,ats,pri",
	"iommu kind=soft,aw=39,pasid=8,dirty,ats,pri",
	"iommu kind=vtd,aw=48,pasid=20,dirty,coherency,nested",
	"iommu kind=smmuv3,aw=48,pasid=20,dirty,nested",
	"function addr=0000:00:01.0,type=root port,secondary=1,subordinate=1,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=0",
	"function addr=0000:01:00.0,type=endpoint,multifunction,pasid=20",
	"function addr=0000:01:00.1,type=endpoint,pasid=20",
	"function addr=0000:00:02.0,type=root port,secondary=2,subordinate=3,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=0",
	"function addr=0000:02:00.0,type=PCIe-to-PCI bridge,secondary=3,subordinate=3",
	"function addr=0000:03:00.0,type=PCI function",
	"function addr=0000:03:01.0,type=PCI function",
	"function addr=0000:00:03.0,type=root port,secondary=4,subordinate=7,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=0",
	"function addr=0000:04:00.0,type=upstream port,secondary=5,subordinate=7",
	"function addr=0000:05:00.0,type=downstream port,secondary=6,subordinate=6",
	"function addr=0000:05:01.0,type=downstream port,secondary=7,subordinate=7",
	"function addr=0000:06:00.0,type=endpoint,pasid=20",
	"function addr=0000:07:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:04.0,type=root port,secondary=8,subordinate=b,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=0",
	"function addr=0000:08:00.0,type=upstream port,secondary=9,subordinate=b",
	"function addr=0000:09:00.0,type=downstream port,secondary=a,subordinate=a,acs,"
	"acs_cap=1d,acs_ctrl=1d",
	"function addr=0000:09:01.0,type=downstream port,secondary=b,subordinate=b,acs,"
	"acs_cap=1d,acs_ctrl=1d",
	"function addr=0000:0a:00.0,type=endpoint,pasid=20",
	"function addr=0000:0b:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:05.0,type=root port,secondary=c,subordinate=c,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=0",
	"function addr=0000:0c:00.0,type=endpoint,multifunction,pasid=20",
	"function addr=0000:0c:00.1,type=endpoint,pasid=20,quirks=1",
	"function addr=0000:00:06.0,type=root port,secondary=d,subordinate=d,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=1",
	"function addr=0000:0d:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:07.0,type=root port,secondary=e,subordinate=e,iommu=0",
	"function addr=0000:0e:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:08.0,type=root port,secondary=f,subordinate=f,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=2",
	"function addr=0000:0f:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:09.0,type=root port,secondary=10,subordinate=10,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=2",
	"function addr=0000:10:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:0a.0,type=root port,secondary=11,subordinate=11,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=3",
	"function addr=0000:11:00.0,type=endpoint,pasid=20",
	"function addr=0000:00:0b.0,type=root port,secondary=12,subordinate=12,acs,acs_cap=1d,"
	"acs_ctrl=1d,iommu=3",
	"function addr=0000:12:00.0,type=endpoint,pasid=20",
	NULL,
};

static const struct m_iommu iommus[] = {
	{.aw = 48, .pasid_0_apart = true},
	{.aw = 39},
	{.aw = 48, .kind = M_VTD},
	{.aw = 48, .kind = M_SMMU},
};

#define PEER(n) (1u << (n))

static const struct m_function functions[] = {
	/* Nobody checks what this one claims, nor keeps it from any peer. */
	{"0e:00.0", 0, 7, 9, 0x0e00, 20, true, false, 0x00, 0xff, PEER(16) - 2, 20},
	{"01:00.0", 0, 0, 0, 0x0100, 20, false, false, 0x01, 0x01, PEER(2), 20, true, 4},
	{"01:00.1", 0, 0, 1, 0x0101, 20, false, false, 0x01, 0x01, PEER(1), 20, true, 4},
	/* Behind the bridge: no PASIDs, and its requester ID on all they send. */
	{"03:00.0", 0, 1, 2, 0x0300, 0, false, true, 0, 0, PEER(4), 20},
	{"03:01.0", 0, 1, 2, 0x0300, 0, false, true, 0, 0, PEER(3), 0},
	/*
	 * The switch turns requests between these two, and lets them claim each other's IDs. They
	 * are two groups all the same, as in Linux.
	 */
	{"06:00.0", 0, 2, 3, 0x0600, 20, false, false, 0x04, 0x07, PEER(6), 20, true, 4},
	{"07:00.0", 0, 8, 4, 0x0700, 4, false, false, 0x04, 0x07, PEER(5), 4},
	{"0a:00.0", 0, 3, 5, 0x0a00, 20, true, false, 0x0a, 0x0a, 0, 20},
	{"0b:00.0", 0, 4, 6, 0x0b00, 20, false, false, 0x0b, 0x0b, 0, 20, true, 4},
	{"0c:00.0", 0, 5, 7, 0x0c00, 20, false, false, 0x0c, 0x0c, PEER(10), 20, true, 4},
	{"0c:00.1", 0, 5, 7, 0x0c00, 20, false, false, 0x0c, 0x0c, PEER(9), 20},
	{"0d:00.0", 1, 6, 8, 0x0d00, 8, false, false, 0x0d, 0x0d, 0, 20, true, 4},
	/* Behind the VT-d one. */
	{"0f:00.0", 2, 12, 10, 0x0f00, 20, false, false, 0x0f, 0x0f, 0, 20},
	{"10:00.0", 2, 16, 11, 0x1000, 20, false, false, 0x10, 0x10, 0, 20},
	/* Behind the SMMUv3. */
	{"11:00.0", 3, 20, 12, 0x1100, 20, false, false, 0x11, 0x11, 0, 20},
	{"12:00.0", 3, 24, 13, 0x1200, 20, false, false, 0x12, 0x12, 0, 20},
};

static const uint16_t alias[] = {0x0308, 0x0c01};
static const unsigned alias_of[] = {4, 10};

const struct m_machine fuzz_machine = {
	.lines = lines,
	.iommu = iommus,
	.function = functions,
	.function_nr = sizeof(functions) / sizeof(functions[0]),
	.alias = alias,
	.alias_of = alias_of,
	.alias_nr = 2,
};
