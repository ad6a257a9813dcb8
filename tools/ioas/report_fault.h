/* SPDX-License-Identifier: MIT */
/* One fault record of the report, as JSON: docs/report.md. */
#ifndef TOOLS_REPORT_FAULT_H
#define TOOLS_REPORT_FAULT_H

#include <ioas/tlp.h>
#include "json.h"

void report_fault(struct json *json, const struct ioas_fault *fault);

#endif
