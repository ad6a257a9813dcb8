/* SPDX-License-Identifier: MIT */
/* Values of the keys that models have in common (`--device MODEL,KEY=VALUE`). */
#ifndef MODELS_PARAM_H
#define MODELS_PARAM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/model.h>
#include "util/why.h"

/* A number, and K, M, G or T or nothing behind it, below 2^63. 0; -EINVAL. */
static inline int param_number(const char *text, uint64_t *out)
{
	static const char units[] = "KMGTkmgt";
	const char *unit;
	unsigned shift = 0;
	char *end;

	*out = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9')
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = (unsigned)((unit - units) % 4 + 1) * 10;
	}
	if (*out > (uint64_t)INT64_MAX >> shift) /* also what strtoull could not hold */
		return -EINVAL;
	*out <<= shift;
	return 0;
}

/* "on", "off", or nothing, which is on. 0; -EINVAL with a line in `why`. */
static inline int param_switch(const struct ioas_param *param, bool *out, struct ioas_why *why)
{
	*out = !strcmp(param->value, "on") || !*param->value;
	if (!*out && strcmp(param->value, "off"))
		return why_set(why, -EINVAL, "%s=%s: on or off", param->key, param->value);
	return 0;
}

#endif
