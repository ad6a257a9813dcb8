/* SPDX-License-Identifier: MIT */
/* What `--device nvme,...` can say. */
#ifndef NVME_KEYS_H
#define NVME_KEYS_H

#include <ioas/model.h>
#include "nvme/drive.h"

struct nvme_keys {
	struct nvme_drive_config drive;
	const char *serial; /* NULL: made of the address */
	bool ats, watch;
};

extern const struct ioas_model_key nvme_keys[];
extern const struct ioas_model nvme_model;

/* 0; -EINVAL, -ENOENT with a line in `why`. The strings stay the caller's. */
int nvme_keys_parse(const struct ioas_param *params, size_t nr, struct nvme_keys *out,
		    struct ioas_why *why);
/* Fills a serial number of at most 20 characters: `text`, or one of the address. */
void nvme_serial(char out[21], const char *text, struct ioas_pci_addr addr);

#endif
