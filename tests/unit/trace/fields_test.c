/* SPDX-License-Identifier: MIT */
/* Each ioctl of each table has a description of its fields, which leaves nothing out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ioas/uapi/iommufd_test.h>
#include "trace/fields.h"
#include "uapi/uapi.h"

static unsigned last_of(const struct trace_field *fields)
{
	unsigned last = 0;

	for (; fields->name; fields++)
		if (!fields->only && fields->offset + fields->width > last)
			last = fields->offset + fields->width;
	return last;
}

/* Reserved words at the end of a struct are no fields. */
static bool covers(const struct uapi_op *op, const struct trace_field *fields)
{
	unsigned slack = op->cmd == IOMMU_HWPT_ALLOC || op->cmd == IOMMU_IOAS_IOVA_RANGES ? 4 : 8;

	return !op->min || op->cmd == IOMMU_TEST_CMD || last_of(fields) + slack >= op->size;
}

static void every_ioctl_has_its_fields(void **state)
{
	static const struct uapi_table *const tables[] = {&uapi_iommufd_table,
							  &uapi_container_table, &uapi_group_table,
							  &uapi_device_table, &uapi_ext_table};
	size_t nr = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (size_t i = 0; i < tables[t]->nr; i++) {
			const struct uapi_op *op = &tables[t]->ops[i];
			const struct trace_field *fields;

			if (!op->name)
				continue;
			nr++;
			fields = trace_fields(op->name);
			if (!fields || !covers(op, fields))
				print_error("%s: no fields, or not all\n", op->name);
			assert_true(fields && covers(op, fields));
			for (; op->size && fields->name; fields++)
				assert_true(fields->format == TRACE_FDS ||
					    fields->offset + fields->width <= op->size);
		}
	assert_true(nr > 40);
	assert_null(trace_fields("IOMMU_FLY"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ioctl_has_its_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
