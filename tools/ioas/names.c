/* SPDX-License-Identifier: MIT */
/* Names of devices from the system's pci.ids. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <pci/pci.h>
#include "names.h"

struct names {
	struct pci_access *access;
	char buf[160];
};

/* libpci's own handler ends the program. Names are not worth that: from then on there are none. */
static _Thread_local jmp_buf give_up;

static void __attribute__((noreturn)) on_error(char *msg, ...)
{
	longjmp(give_up, 1);
}

static void be_silent(char *msg, ...)
{
}

struct names *names_open(void)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->access = pci_alloc();
	names->access->error = on_error;
	names->access->warning = be_silent;
	names->access->debug = be_silent;
	return names;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	if (names->access) {
		pci_free_name_list(names->access);
		pci_cleanup(names->access);
	}
	free(names);
}

const char *names_of(struct names *names, const struct ioas_topology_function *function)
{
	if (function->name && *function->name)
		return function->name;
	if (!names || !names->access || (!function->vendor && !function->device))
		return "";
	if (setjmp(give_up)) {
		names->access = NULL;
		return "";
	}
	/* Not udev's database: of one that is not installed, libpci loses memory at each name. */
	if (!pci_lookup_name(names->access, names->buf, sizeof(names->buf),
			     PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS |
				     PCI_LOOKUP_NO_HWDB,
			     function->vendor, function->device))
		return "";
	names->buf[strcspn(names->buf, "\n")] = 0;
	return names->buf;
}
