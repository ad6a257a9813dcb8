/* SPDX-License-Identifier: MIT */
/* The table of models, and devices from text: "nvme,drive=disk.img,addr=0000:02:00.0". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/topology.h>
#include "model.h"
#include "nvme/keys.h"
#include "tlpgun/keys.h"
#include "util/why.h"
#include "util/words.h"

#define KEY_ADDR "addr"

const struct ioas_model *const ioas_models[] = {
	&nvme_model,
	&tlpgun_model,
	NULL,
};

/* The pieces of one description; keys and values lie in `text`. */
struct parsed {
	char *text;
	struct ioas_param *params;
	size_t params_nr;
	const char *addr; /* taken out of params; NULL: not given */
};

static const struct ioas_param *find_param(const struct parsed *parsed, const char *key)
{
	for (size_t i = 0; i < parsed->params_nr; i++)
		if (!strcmp(parsed->params[i].key, key))
			return &parsed->params[i];
	return NULL;
}

static const struct ioas_model_key *find_key(const struct ioas_model *model, const char *key)
{
	for (const struct ioas_model_key *k = model->keys; k->name; k++)
		if (!strcmp(k->name, key))
			return k;
	return NULL;
}

/* A list of names, ", " between them, cut to fit. */
static void append(char *list, size_t len, const char *name)
{
	size_t used = strlen(list);

	if (used && used + 2 < len) {
		memcpy(list + used, ", ", 3);
		used += 2;
	}
	for (; *name && used + 1 < len; name++)
		list[used++] = *name;
	list[used] = 0;
}

static int add_param(const struct ioas_model *model, struct parsed *parsed, char *text,
		     struct ioas_why *why)
{
	char *eq = strchr(text, '=');
	char list[128] = "";

	if (eq)
		*eq = 0;
	if (!strcmp(text, KEY_ADDR)) {
		if (parsed->addr)
			return why_set(why, -EINVAL, "%s: addr= is given twice", model->name);
		parsed->addr = eq ? eq + 1 : "";
		return 0;
	}
	if (!find_key(model, text)) {
		for (const struct ioas_model_key *k = model->keys; k->name; k++)
			append(list, sizeof(list), k->name);
		append(list, sizeof(list), KEY_ADDR);
		return why_set(why, -ENOENT, "%s: no key \"%s\" (there are: %s)", model->name, text,
			       list);
	}
	if (find_param(parsed, text))
		return why_set(why, -EINVAL, "%s: %s= is given twice", model->name, text);
	parsed->params[parsed->params_nr++] = (struct ioas_param){
		.key = text,
		.value = eq ? eq + 1 : "",
	};
	return 0;
}

static int check_required(const struct ioas_model *model, const struct parsed *parsed,
			  struct ioas_why *why)
{
	for (const struct ioas_model_key *k = model->keys; k->name; k++)
		if (k->required && !find_param(parsed, k->name))
			return why_set(why, -EINVAL, "%s: %s=%s is missing (%s)", model->name,
				       k->name, k->arg ? k->arg : "", k->help ? k->help : "");
	return 0;
}

static int find_model(const struct ioas_model *const *models, const char *name,
		      const struct ioas_model **out, struct ioas_why *why)
{
	char list[128] = "";

	for (; *models; models++) {
		if (!strcmp((*models)->name, name)) {
			*out = *models;
			return 0;
		}
		append(list, sizeof(list), (*models)->name);
	}
	return why_set(why, -ENOENT, "no device model \"%s\" (there are: %s)", name, list);
}

static int parse(const struct ioas_model *const *models, struct parsed *parsed,
		 const struct ioas_model **model, struct ioas_why *why)
{
	char *rest = words_cut(parsed->text);
	int rc = find_model(models, parsed->text, model, why);

	while (!rc && rest) {
		char *param = rest;

		rest = words_cut(param);
		rc = add_param(*model, parsed, param, why);
	}
	return rc ? rc : check_required(*model, parsed, why);
}

static int at_address(struct ioas_pci *pci, void *arg)
{
	const struct ioas_pci_addr *addr = arg;
	struct ioas_pci_addr have = ioas_pci_address(pci);

	return have.segment == addr->segment && have.bus == addr->bus && have.devfn == addr->devfn;
}

/* In a described machine: the first endpoint that nobody has yet. */
static int create_in_machine(const struct ioas_model *model, struct ioas_iommu *iommu,
			     const struct parsed *parsed, struct ioas_pci **out,
			     struct ioas_why *why)
{
	const struct ioas_topology *topology = ioas_pci_topology(iommu);
	const struct ioas_topology_function *function = NULL;

	while ((function = ioas_topology_next(topology, function))) {
		struct ioas_pci_addr addr = function->addr;
		int rc;

		if (ioas_topology_is_bridge(function) || *function->model || *function->driver ||
		    ioas_topology_group_of(topology, addr) == UINT32_MAX ||
		    ioas_pci_each(iommu, at_address, &addr))
			continue;
		rc = model->create(iommu, addr, parsed->params, parsed->params_nr, out, why);
		if (rc != -EEXIST)
			return rc;
	}
	return why_set(why, -EEXIST, "%s: the machine has no endpoint left for it", model->name);
}

/* Without addr=: the first of 0000:01:00.0, 0000:02:00.0, ... that nothing stands in the way of. */
static int create_anywhere(const struct ioas_model *model, struct ioas_iommu *iommu,
			   const struct parsed *parsed, struct ioas_pci **out, struct ioas_why *why)
{
	for (unsigned bus = 1; bus < 256; bus++) {
		struct ioas_pci_addr addr = {.bus = (uint8_t)bus};
		int rc;

		if (ioas_pci_each(iommu, at_address, &addr))
			continue;
		rc = model->create(iommu, addr, parsed->params, parsed->params_nr, out, why);
		if (rc != -EEXIST)
			return rc;
	}
	return why_set(why, -EEXIST, "%s: every bus has a device at 00.0", model->name);
}

static int create(const struct ioas_model *model, struct ioas_iommu *iommu,
		  const struct parsed *parsed, struct ioas_pci **out, struct ioas_why *why)
{
	struct ioas_pci_addr addr;

	if (!parsed->addr && ioas_pci_topology(iommu))
		return create_in_machine(model, iommu, parsed, out, why);
	if (!parsed->addr)
		return create_anywhere(model, iommu, parsed, out, why);
	if (ioas_pci_addr_parse(parsed->addr, &addr))
		return why_set(why, -EINVAL, "%s: addr=%s is no address like 0000:01:00.0",
			       model->name, parsed->addr);
	return model->create(iommu, addr, parsed->params, parsed->params_nr, out, why);
}

int model_create(const struct ioas_model *const *models, struct ioas_iommu *iommu, const char *text,
		 struct ioas_pci **out, struct ioas_why *why)
{
	const struct ioas_model *model = NULL;
	struct ioas_pci *pci = NULL;
	struct parsed parsed = {.text = strdup(text)};
	size_t commas = 1;
	int rc;

	for (const char *c = text; *c; c++)
		commas += *c == ',';
	parsed.params = calloc(commas, sizeof(*parsed.params));
	if (parsed.text && parsed.params)
		rc = parse(models, &parsed, &model, why);
	else
		rc = why_set(why, -ENOMEM, "out of memory");
	if (!rc)
		rc = create(model, iommu, &parsed, &pci, why);
	if (!rc && out)
		*out = pci;
	free(parsed.params);
	free(parsed.text);
	return rc;
}

int ioas_model_create(struct ioas_iommu *iommu, const char *text, struct ioas_pci **out,
		      struct ioas_why *why)
{
	return model_create(ioas_models, iommu, text, out, why);
}
