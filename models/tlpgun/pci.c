/* SPDX-License-Identifier: MIT */
/* The function, and what `--device tlpgun,...` can say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "param.h"
#include "tlpgun/gun.h"
#include "tlpgun/keys.h"
#include "util/why.h"

#define BUF_MIN 4096u
#define BUF_MAX (1u << 30)

static const struct ioas_model_key keys[] = {
	{"pasid", "0..20", "width of its PASIDs (20); 0: it has no PASID capability", false},
	{"shared", "on|off", "a shared work queue, whose items bring their PASID (off)", false},
	{"depth", "NUMBER", "work items that the shared queue holds (16)", false},
	{"portals", "1..64", "pages through which it is reached (4)", false},
	{"bar", "SIZE", "buffer for the data of TLPs, BAR 2: a power of two, 4K to 1G (64K)",
	 false},
	{"ats", "on|off", "translations of its own: translated requests (off)", false},
	{"pri", "NUMBER", "page requests, so many outstanding at a time, 1 to 512; with ats (0)",
	 false},
	{0},
};

static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	return param_number(text, out) || *out < min || *out > max ? -EINVAL : 0;
}

/* What was said, with 0 for what was not. */
struct said {
	uint64_t buf_len, depth, portals, pasid, pri;
	bool shared, ats;
};

static int parse(const struct ioas_param *param, struct said *said, struct ioas_why *why)
{
	const char *value = param->value;

	if (!strcmp(param->key, "shared"))
		return param_switch(param, &said->shared, why);
	if (!strcmp(param->key, "ats"))
		return param_switch(param, &said->ats, why);
	if (!strcmp(param->key, "pri")) {
		if (parse_number(value, 0, IOAS_PAGE_GROUPS, &said->pri))
			return why_set(why, -EINVAL, "pri=%s: 0 to %u page requests", value,
				       IOAS_PAGE_GROUPS);
	} else if (!strcmp(param->key, "pasid")) {
		if (parse_number(value, 0, IOAS_PASID_BITS, &said->pasid))
			return why_set(why, -EINVAL, "pasid=%s: 0 to %d bits", value,
				       IOAS_PASID_BITS);
	} else if (!strcmp(param->key, "depth")) {
		if (parse_number(value, 1, GUN_DEPTH_MAX, &said->depth))
			return why_set(why, -EINVAL, "depth=%s: 1 to %u work items", value,
				       GUN_DEPTH_MAX);
	} else if (!strcmp(param->key, "portals")) {
		if (parse_number(value, 1, GUN_PORTALS_MAX, &said->portals))
			return why_set(why, -EINVAL, "portals=%s: 1 to %u", value, GUN_PORTALS_MAX);
	} else if (!strcmp(param->key, "bar")) {
		if (parse_number(value, BUF_MIN, BUF_MAX, &said->buf_len) ||
		    said->buf_len & (said->buf_len - 1))
			return why_set(why, -EINVAL, "bar=%s: a power of two from 4K to 1G", value);
	} else {
		return why_set(why, -ENOENT, "tlpgun has no key \"%s\"", param->key);
	}
	return 0;
}

int gun_keys_parse(const struct ioas_param *params, size_t nr, struct gun_shape *out,
		   struct ioas_why *why)
{
	struct said said = {.pasid = IOAS_PASID_BITS};

	for (size_t i = 0; i < nr; i++) {
		int rc = parse(&params[i], &said, why);

		if (rc)
			return rc;
	}
	if (said.shared && !said.pasid)
		return why_set(why, -EINVAL, "shared=on: work items bring a PASID, so not pasid=0");
	if (said.pri && !said.ats)
		return why_set(why, -EINVAL, "pri= goes with ats=on");
	if (!said.shared && (said.depth || said.portals))
		return why_set(why, -EINVAL, "depth= and portals= go with shared=on");
	*out = (struct gun_shape){
		.buf_len = said.buf_len ? said.buf_len : GUN_BUF_LEN,
		.pasid_lg2 = (unsigned)said.pasid,
		.ats = said.ats,
		.page_request_nr = (unsigned)said.pri,
	};
	if (said.shared) {
		out->depth = said.depth ? (unsigned)said.depth : GUN_DEPTH;
		out->portal_nr = said.portals ? (unsigned)said.portals : GUN_PORTALS;
	}
	return 0;
}

/* It comes on in a plain call: the best moment to have the worker ready. */
static void bus_master(void *model, bool on)
{
	struct ioas_tlpgun *gun = model;

	if (!on)
		return;
	pthread_mutex_lock(&gun->lock);
	gun_start_locked(gun);
	pthread_mutex_unlock(&gun->lock);
}

static void reset(void *model)
{
	gun_reset(model);
}

static void suspend(void *model)
{
	gun_suspend(model);
}

static void resume(void *model)
{
	gun_resume(model);
}

static void destroy(void *model)
{
	gun_free(model);
}

static const struct ioas_pci_ops ops = {
	.bar_read = gun_bar_read,
	.bar_write = gun_bar_write,
	.bus_master = bus_master,
	.reset = reset,
	.suspend = suspend,
	.resume = resume,
	.destroy = destroy,
};

struct ioas_tlpgun *ioas_tlpgun_of(const struct ioas_pci *pci)
{
	return ioas_pci_model(pci, &ops);
}

static uint64_t portals_len(unsigned nr)
{
	uint64_t len = IOAS_TLPGUN_PORTAL_LEN;

	while (len < (uint64_t)nr * IOAS_TLPGUN_PORTAL_LEN)
		len *= 2;
	return len;
}

static struct ioas_pci_desc desc_of(const struct gun_shape *shape)
{
	struct ioas_pci_desc desc = {
		.vendor = IOAS_TLPGUN_VENDOR,
		.device = IOAS_TLPGUN_DEVICE,
		.subsystem_vendor = IOAS_TLPGUN_VENDOR,
		.subsystem = IOAS_TLPGUN_DEVICE,
		.class_code = IOAS_TLPGUN_CLASS,
		.revision = 1,
		.msix_nr = IOAS_TLPGUN_VECTORS,
		.msix_bar = IOAS_TLPGUN_BAR_REGS,
		.msix_table = GUN_MSIX_TABLE,
		.msix_pba = GUN_MSIX_PBA,
		.pasid_lg2 = (uint8_t)shape->pasid_lg2,
		.shared_queue = shape->portal_nr > 0,
		.ats = shape->ats,
		.page_request_nr = (uint16_t)shape->page_request_nr,
	};

	desc.bar[IOAS_TLPGUN_BAR_REGS].len = GUN_REGS_LEN;
	desc.bar[IOAS_TLPGUN_BAR_REGS].flags = IOAS_PCI_BAR_64;
	desc.bar[IOAS_TLPGUN_BAR_BUFFER].len = shape->buf_len;
	desc.bar[IOAS_TLPGUN_BAR_BUFFER].flags = IOAS_PCI_BAR_64 | IOAS_PCI_BAR_PREFETCH;
	if (shape->portal_nr) {
		desc.bar[IOAS_TLPGUN_BAR_PORTALS].len = portals_len(shape->portal_nr);
		desc.bar[IOAS_TLPGUN_BAR_PORTALS].flags = IOAS_PCI_BAR_64;
	}
	return desc;
}

static int create(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		  const struct ioas_param *params, size_t params_nr, struct ioas_pci **out,
		  struct ioas_why *why)
{
	struct ioas_pci_desc desc;
	struct ioas_tlpgun *gun;
	struct gun_shape shape;
	int rc = gun_keys_parse(params, params_nr, &shape, why);

	if (rc)
		return rc;
	rc = gun_new(&shape, &gun);
	if (rc)
		return why_set(why, rc, "out of memory");
	desc = desc_of(&shape);
	rc = ioas_pci_add(iommu, addr, &desc, &ops, gun, &gun->pci, why);
	if (rc) {
		gun_free(gun);
		return rc;
	}
	rc = gun_arm(gun, ioas_pci_device(gun->pci));
	if (rc) {
		ioas_pci_remove(gun->pci);
		return why_set(why, rc, "out of memory");
	}
	*out = gun->pci;
	return 0;
}

const struct ioas_model tlpgun_model = {
	.name = "tlpgun",
	.help = "sends any TLP it is told to: tests and teaches routing",
	.keys = keys,
	.create = create,
};
