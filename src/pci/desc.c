/* SPDX-License-Identifier: MIT */
/* Checks what a model says of its function, and addresses as text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "pci/desc.h"
#include "util/why.h"

#define MSIX_MAX   2048
#define MEMORY_MIN 4096
#define IO_MIN	   4
#define IO_MAX	   256

static int check_bar(const struct ioas_pci_desc *desc, unsigned i, struct ioas_why *why)
{
	uint64_t len = desc->bar[i].len;
	uint32_t flags = desc->bar[i].flags;

	if (!len)
		return 0;
	if (len & (len - 1))
		return why_set(why, -EINVAL, "BAR %u: its length is no power of two", i);
	if (flags & IOAS_PCI_BAR_IO) {
		if (flags & (IOAS_PCI_BAR_64 | IOAS_PCI_BAR_PREFETCH))
			return why_set(why, -EINVAL, "BAR %u: I/O is 32 bits, not prefetchable", i);
		if (len < IO_MIN || len > IO_MAX)
			return why_set(why, -EINVAL, "BAR %u: I/O of 4 to 256 bytes", i);
		return 0;
	}
	if (len < MEMORY_MIN)
		return why_set(why, -EINVAL, "BAR %u: memory of at least 4096 bytes", i);
	if (flags & IOAS_PCI_BAR_64) {
		if (i == 5 || desc->bar[i + 1].len)
			return why_set(why, -EINVAL, "BAR %u: 64 bits take the next BAR too", i);
	} else if (len > UINT32_MAX) {
		return why_set(why, -EINVAL, "BAR %u: too long for 32 bits", i);
	}
	return 0;
}

static int check_msix(const struct ioas_pci_desc *desc, struct ioas_why *why)
{
	uint64_t table_len = 16ull * desc->msix_nr;
	uint64_t pba_len = 8ull * ((desc->msix_nr + 63u) / 64);
	uint64_t table = desc->msix_table, pba = desc->msix_pba;
	uint64_t len;

	if (!desc->msix_nr)
		return 0;
	if (desc->msix_nr > MSIX_MAX)
		return why_set(why, -EINVAL, "MSI-X: at most %d vectors", MSIX_MAX);
	if (desc->msix_bar > 5 || desc->bar[desc->msix_bar].flags & IOAS_PCI_BAR_IO)
		return why_set(why, -EINVAL, "MSI-X: BAR %u is no memory", desc->msix_bar);
	len = desc->bar[desc->msix_bar].len;
	if (table % 8 || pba % 8)
		return why_set(why, -EINVAL, "MSI-X: table and PBA must be 8-aligned");
	if (table + table_len > len || pba + pba_len > len)
		return why_set(why, -EINVAL, "MSI-X: table or PBA leaves BAR %u", desc->msix_bar);
	if (table < pba + pba_len && pba < table + table_len)
		return why_set(why, -EINVAL, "MSI-X: table and PBA overlap");
	return 0;
}

static int check_pasid(const struct ioas_pci_desc *desc, struct ioas_why *why)
{
	if (desc->pasid_lg2 > IOAS_PASID_BITS)
		return why_set(why, -EINVAL, "PASIDs of %u bits: they have at most %u",
			       desc->pasid_lg2, IOAS_PASID_BITS);
	if (desc->shared_queue && !desc->pasid_lg2)
		return why_set(why, -EINVAL, "a shared queue takes PASIDs, but there are none");
	if (desc->page_request_nr && !desc->ats)
		return why_set(why, -EINVAL, "page requests go with ATS, which it has not");
	return 0;
}

int desc_check(const struct ioas_pci_desc *desc, struct ioas_why *why)
{
	if (desc->vendor == 0xffff || desc->class_code >> 24)
		return why_set(why, -EINVAL, "vendor ffff or a class of more than 24 bits");
	if (desc->intx_pin > 4)
		return why_set(why, -EINVAL, "interrupt pin %u is not one of A to D",
			       desc->intx_pin);
	for (unsigned i = 0; i < 6; i++) {
		int rc = check_bar(desc, i, why);

		if (rc)
			return rc;
	}
	return check_pasid(desc, why) ?: check_msix(desc, why);
}

/* A hexadecimal number of 1 to `digits` digits, followed by `stop`. */
static const char *parse_hex(const char *text, unsigned digits, char stop, unsigned *out)
{
	unsigned n = 0;

	*out = 0;
	for (; n < digits; n++, text++) {
		unsigned digit;

		if (*text >= '0' && *text <= '9')
			digit = (unsigned)(*text - '0');
		else if ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'f')
			digit = (unsigned)((*text | 0x20) - 'a') + 10;
		else
			break;
		*out = *out << 4 | digit;
	}
	return n && *text == stop ? text + 1 : NULL;
}

int ioas_pci_addr_parse(const char *text, struct ioas_pci_addr *out)
{
	unsigned segment, bus, device, function;
	const char *rest = parse_hex(text, 4, ':', &segment);
	const char *longer = rest ? parse_hex(rest, 2, ':', &bus) : NULL;

	if (longer) {
		rest = longer;
	} else {
		segment = 0;
		rest = parse_hex(text, 2, ':', &bus);
	}
	rest = rest ? parse_hex(rest, 2, '.', &device) : NULL;
	rest = rest ? parse_hex(rest, 1, '\0', &function) : NULL;
	if (!rest || device > 31 || function > 7)
		return -EINVAL;
	*out = (struct ioas_pci_addr){
		.segment = (uint16_t)segment,
		.bus = (uint8_t)bus,
		.devfn = (uint8_t)(device << 3 | function),
	};
	return 0;
}

char *ioas_pci_addr_format(struct ioas_pci_addr addr, char *buf)
{
	snprintf(buf, IOAS_NAME_LEN, "%04x:%02x:%02x.%x", addr.segment, addr.bus, addr.devfn >> 3,
		 addr.devfn & 7);
	return buf;
}
