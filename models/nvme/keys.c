/* SPDX-License-Identifier: MIT */
/* What `--device nvme,...` can say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "nvme/keys.h"
#include "param.h"
#include "util/why.h"

const struct ioas_model_key nvme_keys[] = {
	{"drive", "FILE",
	 "raw image or block device that holds the blocks; ram: memory; null: moves no data", true},
	{"size", "SIZE", "size of drive=ram and drive=null, such as 1G", false},
	{"lba", "512|4096", "bytes a block (512)", false},
	{"readonly", "on|off", "refuse to write (on by itself for a file that is read-only)",
	 false},
	{"volatile", "on|off", "keep unflushed writes in memory, and lose them with the process",
	 false},
	{"ats", "on|off", "data by translated requests, where the IOMMU has ATS", false},
	{"watch", "on|off", "doorbells in quick succession are stores, not faults (on)", false},
	{"serial", "TEXT", "serial number, up to 20 characters", false},
	{0},
};

static int parse_serial(const char *text, struct ioas_why *why)
{
	size_t len = strlen(text);

	if (!len || len > 20)
		return why_set(why, -EINVAL, "serial=%s: 1 to 20 characters", text);
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return why_set(why, -EINVAL, "serial: printable ASCII only");
	return 0;
}

static int parse(const struct ioas_param *param, struct nvme_keys *out, struct ioas_why *why)
{
	const char *value = param->value;

	if (!strcmp(param->key, "drive")) {
		out->drive.path = value;
	} else if (!strcmp(param->key, "size")) {
		if (param_number(value, &out->drive.size))
			return why_set(why, -EINVAL, "size=%s: a number, then K, M, G or T", value);
	} else if (!strcmp(param->key, "lba")) {
		if (strcmp(value, "512") && strcmp(value, "4096"))
			return why_set(why, -EINVAL, "lba=%s: 512 or 4096", value);
		out->drive.lba_lg2 = *value == '5' ? 9 : 12;
	} else if (!strcmp(param->key, "readonly")) {
		return param_switch(param, &out->drive.readonly, why);
	} else if (!strcmp(param->key, "volatile")) {
		return param_switch(param, &out->drive.is_volatile, why);
	} else if (!strcmp(param->key, "ats")) {
		return param_switch(param, &out->ats, why);
	} else if (!strcmp(param->key, "watch")) {
		return param_switch(param, &out->watch, why);
	} else if (!strcmp(param->key, "serial")) {
		out->serial = value;
		return parse_serial(value, why);
	} else {
		return why_set(why, -ENOENT, "nvme has no key \"%s\"", param->key);
	}
	return 0;
}

int nvme_keys_parse(const struct ioas_param *params, size_t nr, struct nvme_keys *out,
		    struct ioas_why *why)
{
	const char *path;
	bool made;

	*out = (struct nvme_keys){.drive.lba_lg2 = 9, .watch = true};
	for (size_t i = 0; i < nr; i++) {
		int rc = parse(&params[i], out, why);

		if (rc)
			return rc;
	}
	if (!out->drive.path || !*out->drive.path)
		return why_set(why, -EINVAL, "nvme needs drive=FILE");
	path = out->drive.path;
	made = !strcmp(path, "null") || !strcmp(path, "ram");
	if (made && !out->drive.size)
		return why_set(why, -EINVAL, "drive=%s needs size=SIZE", path);
	if (!made && out->drive.size)
		return why_set(why, -EINVAL,
			       "size= goes with drive=ram and drive=null; a file has its own");
	if (made && out->drive.is_volatile)
		return why_set(why, -EINVAL,
			       "volatile=on goes with a file: drive=%s is lost anyway", path);
	return 0;
}

void nvme_serial(char out[21], const char *text, struct ioas_pci_addr addr)
{
	if (text)
		snprintf(out, 21, "%s", text);
	else
		snprintf(out, 21, "IOAS%04x%02x%02x%x", addr.segment, addr.bus, addr.devfn >> 3,
			 addr.devfn & 7);
}
