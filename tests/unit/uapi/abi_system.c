/* SPDX-License-Identifier: MIT */
/* The ABI as the system's headers have it. */
#include <linux/vfio.h>
#include "abi_system.h"

const struct abi_fact abi_system[] = {VFIO_FACTS};
const size_t abi_system_nr = sizeof(abi_system) / sizeof(abi_system[0]);
