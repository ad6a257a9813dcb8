/* SPDX-License-Identifier: MIT */
/*
 * The text of an lspci dump, checked line by line before libpci reads it: libpci would only say
 * that something is malformed, stumbles over long lines of -v, and leaves the drivers out.
 */
#ifndef TOOLS_LSPCI_TEXT_H
#define TOOLS_LSPCI_TEXT_H

#include <ioas/pci.h>

struct lspci_function {
	struct ioas_pci_addr addr;
	unsigned line;	 /* of its name */
	size_t len;	 /* bytes of config space */
	char driver[32]; /* "" for none */
};

struct lspci_text {
	struct lspci_function *functions; /* in order of address */
	size_t nr;
	char *kept; /* the lines that libpci is to read */
	size_t kept_len;
};

/* 0; -EINVAL with "FILE:LINE: reason"; -ENOMEM. */
int lspci_text_parse(const char *name, const char *text, size_t len, struct lspci_text *out,
		     struct ioas_why *why);
void lspci_text_free(struct lspci_text *text);
struct lspci_function *lspci_text_find(const struct lspci_text *text, struct ioas_pci_addr addr);

#endif
