/* SPDX-License-Identifier: MIT */
/* The bytes of config space in an `lspci -x` dump, read by libpci. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pci/pci.h>
#include "lspci_dump.h"

#define CONFIG_LEN 4096

/*
 * libpci ends the program on an error; its handler must not return either. So it jumps back to
 * where libpci was entered, with the reason.
 */
static _Thread_local struct {
	jmp_buf back;
	char reason[128];
} failed;

static void __attribute__((noreturn, format(printf, 1, 2))) on_error(char *msg, ...)
{
	va_list ap;

	va_start(ap, msg);
	vsnprintf(failed.reason, sizeof(failed.reason), msg, ap);
	va_end(ap);
	longjmp(failed.back, 1);
}

static void __attribute__((format(printf, 1, 2))) be_silent(char *msg, ...)
{
}

/* How many bytes the dump has of it, all of them copied to `config`. */
static size_t read_config(struct pci_dev *dev, uint8_t *config)
{
	int len = 0;

	while (len < CONFIG_LEN && pci_read_block(dev, len, config + len, 1))
		len++;
	return (size_t)len;
}

struct pass {
	int (*fn)(struct ioas_pci_addr addr, const uint8_t *config, size_t len, void *arg);
	void *arg;
	uint8_t config[CONFIG_LEN];
	int rc;
};

static void __attribute__((noinline)) run(struct pci_access *access, struct pass *pass)
{
	pci_init(access);
	pci_scan_bus(access);
	for (struct pci_dev *dev = access->devices; dev && !pass->rc; dev = dev->next) {
		struct ioas_pci_addr addr = {
			.segment = (uint16_t)dev->domain,
			.bus = dev->bus,
			.devfn = (uint8_t)(dev->dev << 3 | dev->func),
		};
		size_t len = read_config(dev, pass->config);

		pass->rc = pass->fn(addr, pass->config, len, pass->arg);
	}
}

/* True: it failed. A function of its own, so that a jump back finds no variables half changed. */
static bool __attribute__((noinline)) fails(struct pci_access *access, struct pass *pass)
{
	if (setjmp(failed.back))
		return true;
	run(access, pass);
	return false;
}

int lspci_dump_each(const char *path,
		    int (*fn)(struct ioas_pci_addr addr, const uint8_t *config, size_t len,
			      void *arg),
		    void *arg, struct ioas_why *why)
{
	struct pci_access *access = pci_alloc();
	struct pass pass = {.fn = fn, .arg = arg};

	access->method = PCI_ACCESS_DUMP;
	access->error = on_error;
	access->warning = be_silent;
	access->debug = be_silent;
	pci_set_param(access, (char *)"dump.name", (char *)path);
	if (fails(access, &pass)) {
		snprintf(why->text, sizeof(why->text), "%s", failed.reason);
		pass.rc = -EINVAL;
	}
	pci_cleanup(access);
	return pass.rc;
}
