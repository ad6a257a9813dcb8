/* SPDX-License-Identifier: MIT */
/* What `--device tlpgun,...` can say. */
#ifndef TLPGUN_KEYS_H
#define TLPGUN_KEYS_H

#include "tlpgun/gun.h"

extern const struct ioas_model tlpgun_model;

/* 0; -EINVAL, -ENOENT with a line in `why`. */
int gun_keys_parse(const struct ioas_param *params, size_t nr, struct gun_shape *out,
		   struct ioas_why *why);

#endif
