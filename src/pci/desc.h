/* SPDX-License-Identifier: MIT */
/* Checks what a model says of its function. */
#ifndef PCI_DESC_H
#define PCI_DESC_H

#include <ioas/pci.h>

/* 0; -EINVAL with the contradiction in `why`. */
int desc_check(const struct ioas_pci_desc *desc, struct ioas_why *why);

#endif
