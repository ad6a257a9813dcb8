/* SPDX-License-Identifier: MIT */
/*
 * A machine as a tree: IOMMUs, root ports, switches, bridges and the functions at the leaves. What
 * follows from it alone, without any program: which requester IDs the TLPs of a function carry,
 * which functions share one (a share set), which cannot be isolated from one another (a group), and
 * for each of these the port or bridge and the bit that causes it.
 *
 * A topology is data: no device runs in it, and nothing here needs an instance. It is described
 * (ioas_topology_add, one function after the other, in any order), resolved once, and then only
 * read; reading takes no lock and may be done by several threads. ioas_pci_machine (pci.h) makes
 * it the machine of an instance.
 *
 * Sources: PCI Express Base Specification 5.0 sections 2.2.6.2 (requester IDs), 6.12 (ACS), 6.13
 * (ARI), 6.20 (PASID), 9 (SR-IOV); PCI Express to PCI/PCI-X Bridge Specification 1.0 section 2.3;
 * groups are those that Linux 6.12 makes of the same tree.
 */
#ifndef IOAS_TOPOLOGY_H
#define IOAS_TOPOLOGY_H

#include <ioas/pci.h>

IOAS_BEGIN

struct ioas_topology;

/* What a function is on its bus. The PCIe ones are the device/port types of its PCIe capability. */
enum ioas_topology_type {
	IOAS_TOPOLOGY_ENDPOINT,
	IOAS_TOPOLOGY_LEGACY_ENDPOINT,
	IOAS_TOPOLOGY_ROOT_PORT,
	IOAS_TOPOLOGY_UPSTREAM,	   /* of a switch */
	IOAS_TOPOLOGY_DOWNSTREAM,  /* of a switch */
	IOAS_TOPOLOGY_PCIE_TO_PCI, /* bridge, PCIe above */
	IOAS_TOPOLOGY_PCI_TO_PCIE, /* bridge, PCIe below */
	IOAS_TOPOLOGY_RC_ENDPOINT, /* integrated in the root complex */
	IOAS_TOPOLOGY_RC_EVENT_COLLECTOR,
	IOAS_TOPOLOGY_PCI_FUNCTION, /* without a PCIe capability, no bridge */
	IOAS_TOPOLOGY_PCI_BRIDGE,   /* without a PCIe capability */
	IOAS_TOPOLOGY_TYPE_NR,
};

/* Bits of the ACS capability and control registers (PCIe 7.7.8.2, 7.7.8.3). */
enum ioas_topology_acs {
	IOAS_ACS_SV = 1 << 0, /* source validation */
	IOAS_ACS_TB = 1 << 1, /* translation blocking */
	IOAS_ACS_RR = 1 << 2, /* peer-to-peer request redirect */
	IOAS_ACS_CR = 1 << 3, /* peer-to-peer completion redirect */
	IOAS_ACS_UF = 1 << 4, /* upstream forwarding */
	IOAS_ACS_EC = 1 << 5, /* peer-to-peer egress control */
	IOAS_ACS_DT = 1 << 6, /* direct translated peer-to-peer */
};

/* How a function departs from the specification, or from what its config space says. */
enum ioas_topology_quirk {
	IOAS_QUIRK_USES_FUNCTION_0 = 1 << 0, /* its TLPs carry function 0's requester ID, too */
	IOAS_QUIRK_USES_FUNCTION_1 = 1 << 1, /* function 1's, too */
	IOAS_QUIRK_ISOLATED = 1 << 2,	     /* known to isolate, whatever its ACS registers say */
	IOAS_QUIRK_PCIE_BRIDGE = 1
				 << 3,	 /* a PCI bridge that hides that it is PCIe-to-PCI:
					  * below a PCIe port its secondary bus:00.0 is on the wire */
	IOAS_QUIRK_IOMMU_BELOW = 1 << 4, /* the IOMMU sits below this bridge: it and those above
					  * it change no requester ID that the IOMMU sees */
};

#define IOAS_TOPOLOGY_NO_IOMMU UINT32_MAX

/* One function. Strings are copied by ioas_topology_add; NULL is an empty one. */
struct ioas_topology_function {
	struct ioas_pci_addr addr;
	uint8_t type;	    /* enum ioas_topology_type */
	bool multifunction; /* header type bit 7; functions other than 0 imply it */
	/* Bus numbers below a port or bridge, subordinate >= secondary; secondary 0: not set up,
	 * nothing is below. 0 on all others. */
	uint8_t secondary, subordinate;
	uint16_t vendor, device;
	uint32_t class_code;
	bool acs;		    /* has the capability */
	uint16_t acs_cap, acs_ctrl; /* enum ioas_topology_acs */
	uint32_t quirks;	    /* enum ioas_topology_quirk */
	uint8_t phantom_lg2; /* high function number bits it uses for phantom functions, enabled */
	/* Width of its PASIDs, 0: no PASID capability. Has the PRI capability. Of a virtual
	 * function, resolving takes both from its physical one. */
	uint8_t pasid_lg2;
	bool pri;
	bool ats;	 /* has the capability */
	bool is_virtual; /* an SR-IOV virtual function of `physical` */
	struct ioas_pci_addr physical;
	const rid_t *alias; /* more requester IDs its TLPs may carry, same segment */
	size_t alias_nr;
	uint32_t iommu;	    /* index, of functions of a root bus; IOAS_TOPOLOGY_NO_IOMMU: none.
			     * Resolving passes it on to what is below and to virtual functions */
	const char *model;  /* as ioas_model_create's text without addr=; empty: no model */
	const char *driver; /* a driver of the host that has it ("nvme"); empty: none */
	const char *name;   /* for people; empty: none */
};

/* Widths, abilities and holes of one IOMMU. Strings and arrays are copied. */
struct ioas_topology_iommu {
	const char *kind;   /* "soft", "vtd", "amd", "smmuv3" or "riscv" (docs/iommus.md) */
	uint8_t aw;	    /* address width, bits; 0: the kind's default */
	uint8_t pasid_lg2;  /* PASID width it takes; 0: none */
	bool pasid_0_apart; /* tells PASID 0 from requests without a PASID */
	bool ats, pri, dirty, nested;
	bool coherency;	     /* its page tables can make all requests snoop caches */
	uint64_t page_sizes; /* bit n: 2^n bytes; the smallest and the largest count; 0: the kind's
			      */
	const struct ioas_range *reserved;
	size_t reserved_nr;
};

/* A new, empty one. 0; -ENOMEM. */
int ioas_topology_new(struct ioas_topology **out);
void ioas_topology_destroy(struct ioas_topology *topology);
/* A copy that can be changed and resolved anew. 0; -ENOMEM. */
int ioas_topology_copy(const struct ioas_topology *from, struct ioas_topology **out);

/* Adds an IOMMU; its index is the number of those before it. 0; -EINVAL with a line; -ENOMEM. */
int ioas_topology_add_iommu(struct ioas_topology *topology, const struct ioas_topology_iommu *iommu,
			    struct ioas_why *why);
/*
 * Adds a function. 0; -EEXIST the address is taken; -EINVAL it contradicts itself (bus numbers,
 * ACS bits it cannot have, a function number among its own phantom functions, ...), with a line;
 * -ENOMEM. What only the whole tree tells is checked by ioas_topology_resolve.
 */
int ioas_topology_add(struct ioas_topology *topology, const struct ioas_topology_function *function,
		      struct ioas_why *why);
/* Changes the ACS control register of a function. Resolve anew. 0; -ENOENT no such function;
 * -EINVAL a bit that its acs_cap does not have (without the capability: any), with a line. */
int ioas_topology_set_acs(struct ioas_topology *topology, struct ioas_pci_addr addr, uint16_t ctrl,
			  struct ioas_why *why);
/*
 * Checks the tree as a whole and works out what follows from it. A bus that no bridge leads to is
 * a root bus, unless it holds only virtual functions: they are where their physical one is. 0;
 * -EINVAL with a line: two bridges lead to one bus, a bus within the range of a bridge but none
 * leads to it, a virtual function without its physical one, a loop, an IOMMU that there is not, a
 * function where another has a phantom function; -ENOMEM. O(n log n).
 */
int ioas_topology_resolve(struct ioas_topology *topology, struct ioas_why *why);

/* ---- what was described ---- */

size_t ioas_topology_iommu_nr(const struct ioas_topology *topology);
const struct ioas_topology_iommu *ioas_topology_iommu(const struct ioas_topology *topology,
						      size_t index);
/* The function at an address, or NULL. O(log n). Valid as long as the topology. */
const struct ioas_topology_function *ioas_topology_find(const struct ioas_topology *topology,
							struct ioas_pci_addr addr);
/* The one after `prev` (NULL: the first) in order of segment, bus, devfn, or NULL at the end. */
const struct ioas_topology_function *ioas_topology_next(const struct ioas_topology *topology,
							const struct ioas_topology_function *prev);
/* The bridge or port whose secondary bus this function (of a virtual one: its physical one) is on,
 * or NULL on a root bus. O(log n). */
const struct ioas_topology_function *ioas_topology_above(const struct ioas_topology *topology,
							 struct ioas_pci_addr addr);
bool ioas_topology_is_bridge(const struct ioas_topology_function *function); /* type 1 header */
const char *ioas_topology_type_name(enum ioas_topology_type type);	     /* "root port", ... */

/* ---- what follows; of one that is not resolved: nothing ---- */

/* Why two functions belong together, or why a requester ID is what it is. */
enum ioas_topology_cause {
	IOAS_CAUSE_OWN,		/* requester ID: the function's own */
	IOAS_CAUSE_PCIE_TO_PCI, /* the bridge `at` puts its secondary bus:00.0 on the wire */
	IOAS_CAUSE_PCI_BRIDGE,	/* the bridge `at` puts its own requester ID on the wire */
	IOAS_CAUSE_FUNCTION_0,	/* quirk: uses function 0's requester ID */
	IOAS_CAUSE_FUNCTION_1,
	IOAS_CAUSE_ALIAS,	  /* quirk: a requester ID of its own choice */
	IOAS_CAUSE_PHANTOM,	  /* a phantom function of its own */
	IOAS_CAUSE_NO_ACS_ABOVE,  /* `at`, a port on the way to the root, lets peers meet below */
	IOAS_CAUSE_MULTIFUNCTION, /* functions of one device, `at` has no isolation of its own */
	IOAS_CAUSE_NOT_PCIE,	  /* `at` is a conventional bridge: nothing isolates below */
	IOAS_CAUSE_NR,
};

/* A requester ID that TLPs of a function may carry where they meet the IOMMU. */
struct ioas_topology_requester {
	uint16_t segment;
	rid_t rid;
	uint8_t cause;		 /* enum ioas_topology_cause */
	struct ioas_pci_addr at; /* the bridge, or the function itself */
};

/*
 * Two functions that belong together, and the port or bridge and the ACS bits that cause it. A
 * group's edges are all that there are, not just those that suffice: two functions of one device
 * below a port without ACS are held by both.
 */
struct ioas_topology_edge {
	struct ioas_pci_addr a, b;
	struct ioas_pci_addr at;
	uint8_t cause; /* enum ioas_topology_cause */
	uint16_t
		acs_missing; /* for NO_ACS_ABOVE and MULTIFUNCTION: the bits that would part them */
	rid_t rid;	     /* of a share set: the requester ID in common */
};

/* Writes up to max requesters and returns how many there are: its own first, then those of its
 * quirks and phantom functions, then those of bridges on the way up. Each requester ID once. */
size_t ioas_topology_requesters(const struct ioas_topology *topology, struct ioas_pci_addr addr,
				struct ioas_topology_requester *out, size_t max);

/*
 * Share sets and groups are numbered from 0 in the order in which Linux would number groups: as it
 * finds functions, a bus at a time, depth first; virtual functions come last. A function without an
 * IOMMU is in no group and no share set: UINT32_MAX. A share set never spans groups: where devices
 * have a requester ID in common that Linux does not see, their groups are one here.
 */
uint32_t ioas_topology_group_of(const struct ioas_topology *topology, struct ioas_pci_addr addr);
uint32_t ioas_topology_share_set_of(const struct ioas_topology *topology,
				    struct ioas_pci_addr addr);
uint32_t ioas_topology_group_nr(const struct ioas_topology *topology);
uint32_t ioas_topology_share_set_nr(const struct ioas_topology *topology);
/* The member after `prev` (NULL: the first) in order of address, or NULL. O(1). */
const struct ioas_topology_function *
ioas_topology_group_next(const struct ioas_topology *topology, uint32_t group,
			 const struct ioas_topology_function *prev);
const struct ioas_topology_function *
ioas_topology_share_set_next(const struct ioas_topology *topology, uint32_t share_set,
			     const struct ioas_topology_function *prev);
/* The edges that hold one together: writes up to max, returns how many there are. */
size_t ioas_topology_group_edges(const struct ioas_topology *topology, uint32_t group,
				 struct ioas_topology_edge *out, size_t max);
size_t ioas_topology_share_set_edges(const struct ioas_topology *topology, uint32_t share_set,
				     struct ioas_topology_edge *out, size_t max);

/* A reason as one line, without a newline. Returns the length as snprintf does. */
int ioas_topology_edge_format(const struct ioas_topology *topology,
			      const struct ioas_topology_edge *edge, char *buf, size_t len);
int ioas_topology_requester_format(const struct ioas_topology_requester *requester, char *buf,
				   size_t len);

/*
 * Where a memory request of `from`, untranslated, to an address that belongs to `to` (a BAR of it)
 * goes: does it reach the root complex and the IOMMU there, or does a port turn it to its peer
 * before? 1: bypass, *at the port, bridge or device where it turns; 0: it goes through the IOMMU;
 * -ENOENT. The device may be one and the same.
 */
int ioas_topology_bypass(const struct ioas_topology *topology, struct ioas_pci_addr from,
			 struct ioas_pci_addr to, struct ioas_pci_addr *at);

IOAS_END

#endif
