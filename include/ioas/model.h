/* SPDX-License-Identifier: MIT */
/*
 * Device models by name, as `ioas run --device MODEL,key=value,...` asks for them.
 */
#ifndef IOAS_MODEL_H
#define IOAS_MODEL_H

#include <ioas/pci.h>

IOAS_BEGIN

/* One key=value of a device's description. A key without "=" has the value "". */
struct ioas_param {
	const char *key;
	const char *value;
};

/* One key a model understands, for help and for checking. */
struct ioas_model_key {
	const char *name;
	const char *arg;  /* "FILE", "SIZE", "on|off", ... */
	const char *help; /* one line */
	bool required;
};

struct ioas_model {
	const char *name;
	const char *help;		   /* one line */
	const struct ioas_model_key *keys; /* ends with name NULL */
	/*
	 * Makes the device and adds it at `addr` (ioas_pci_add). On an error -errno, and one
	 * readable line in `why`: missing file, bad number, address taken.
	 */
	int (*create)(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		      const struct ioas_param *params, size_t params_nr, struct ioas_pci **out,
		      struct ioas_why *why);
};

/* All models; ends with NULL. */
extern const struct ioas_model *const ioas_models[];

/*
 * Makes a device from text: "nvme,drive=disk.img,addr=0000:02:00.0". Without addr= the first free
 * of 0000:01:00.0, 0000:02:00.0, ..., in a described machine its first free endpoint. Commas in
 * values are doubled. `out` may be NULL. Unknown model or key: -ENOENT; missing or doubled key, bad
 * address: -EINVAL; else what the model's create returns; with a line in `why`.
 */
int ioas_model_create(struct ioas_iommu *iommu, const char *text, struct ioas_pci **out,
		      struct ioas_why *why);

IOAS_END

#endif
