/* SPDX-License-Identifier: MIT */
/* Devices from text: keys, values, addresses, and the lines said about mistakes. */
#include "../pci/toy.h"
#include "model.h"

static char last_drive[64];
static size_t last_nr;

static int create_toy(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		      const struct ioas_param *params, size_t nr, struct ioas_pci **out,
		      struct ioas_why *why)
{
	struct toy *toy;
	char text[IOAS_NAME_LEN];
	int rc;

	last_nr = nr;
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(params[i].key, "drive"))
			snprintf(last_drive, sizeof(last_drive), "%s", params[i].value);
	rc = toy_add(iommu, ioas_pci_addr_format(addr, text), &toy, why);
	if (!rc)
		*out = toy->pci;
	return rc;
}

static const struct ioas_model_key keys[] = {
	{"drive", "FILE", "where the bytes are", true},
	{"volatile", "on|off", "forgetful", false},
	{NULL},
};
static const struct ioas_model toy_model = {"toy", "a toy", keys, create_toy};
static const struct ioas_model plain_model = {"plain", "a plain toy", keys + 2, create_toy};
static const struct ioas_model *const models[] = {&toy_model, &plain_model, NULL};

static struct ioas_iommu *iommu;
static struct ioas_why why;

static int setup(void **state)
{
	iommu = toy_iommu();
	return 0;
}

static int teardown(void **state)
{
	ioas_iommu_destroy(iommu);
	return 0;
}

static int make(const char *text, const char *at)
{
	struct ioas_pci *pci = NULL;
	int rc;

	memset(&why, 0, sizeof(why));
	rc = model_create(models, iommu, text, &pci, &why);
	if (rc)
		assert_true(*why.text);
	else
		assert_string_equal(ioas_device_name(ioas_pci_device(pci)), at);
	return rc;
}

static void the_first_free_bus_is_taken(void **state)
{
	assert_int_equal(make("plain", "0000:01:00.0"), 0);
	assert_int_equal(make("plain,addr=0000:02:00.0", "0000:02:00.0"), 0);
	assert_int_equal(make("plain,addr=00:03.0", "0000:00:03.0"), 0);
	/* Bus 3's root port would be at 00:03.0. */
	assert_int_equal(make("plain", "0000:04:00.0"), 0);
	assert_int_equal(make("plain,addr=04:00.0", NULL), -EEXIST);
	assert_non_null(strstr(why.text, "0000:04:00.0"));
	assert_int_equal(model_create(models, iommu, "plain", NULL, NULL), 0);
}

static void values_may_have_commas(void **state)
{
	assert_int_equal(make("toy,drive=a,,b=c,volatile", "0000:01:00.0"), 0);
	assert_string_equal(last_drive, "a,b=c");
	assert_int_equal(last_nr, 2);
	assert_int_equal(make("toy,addr=05:00.0,drive=,,", "0000:05:00.0"), 0);
	assert_string_equal(last_drive, ",");
	assert_int_equal(last_nr, 1);
}

static void mistakes_are_named(void **state)
{
	assert_int_equal(make("", NULL), -ENOENT);
	assert_int_equal(make("mvne,drive=x", NULL), -ENOENT);
	assert_string_equal(why.text, "no device model \"mvne\" (there are: toy, plain)");
	assert_int_equal(make("toy,drvie=x", NULL), -ENOENT);
	assert_string_equal(why.text, "toy: no key \"drvie\" (there are: drive, volatile, addr)");
	assert_int_equal(make("toy", NULL), -EINVAL);
	assert_string_equal(why.text, "toy: drive=FILE is missing (where the bytes are)");
	assert_int_equal(make("toy,drive=x,drive=y", NULL), -EINVAL);
	assert_string_equal(why.text, "toy: drive= is given twice");
	assert_int_equal(make("toy,drive=x,addr=1:0.0,addr=2:0.0", NULL), -EINVAL);
	assert_int_equal(make("toy,drive=x,addr=99", NULL), -EINVAL);
	assert_string_equal(why.text, "toy: addr=99 is no address like 0000:01:00.0");
	assert_int_equal(make("toy,drive=x,addr", NULL), -EINVAL);
	assert_int_equal(make("toy,drive=x,", NULL), -ENOENT);
}

static void the_real_table_has_nvme(void **state)
{
	assert_string_equal(ioas_models[0]->name, "nvme");
	assert_int_equal(ioas_model_create(iommu, "nvme", NULL, &why), -EINVAL);
	assert_int_equal(ioas_model_create(iommu, "nvme,drive=/nowhere/at/all", NULL, &why),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_free_bus_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(values_may_have_commas, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(the_real_table_has_nvme, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
