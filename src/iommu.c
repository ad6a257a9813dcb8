/* SPDX-License-Identifier: MIT */
/* The instance: configuration, and the life of its parts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/file.h"
#include "util/alloc.h"
#include "util/why.h"

#define AW_DEFAULT 48
#define AW_MIN	   32
#define AW_MAX	   57

/* Memory writes there are interrupts on x86: Intel SDM volume 3, 11.11 (MSI address format). */
#define MSI_FIRST 0xfee00000u
#define MSI_LAST  0xfeefffffu

static bool aw_valid(unsigned aw)
{
	return aw >= AW_MIN && aw <= AW_MAX;
}

static int set_aw(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	char *end;
	unsigned long aw = strtoul(value, &end, 10);

	if (!*value || *end || aw > AW_MAX || !aw_valid((unsigned)aw))
		return why_set(why, -EINVAL, "aw: \"%s\" is not a width of %d to %d bits", value,
			       AW_MIN, AW_MAX);
	config->aw = (unsigned)aw;
	return 0;
}

static int set_mmap(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return why_set(why, -EINVAL, "mmap: \"%s\" is neither on nor off", value);
	config->no_region_mmap = !strcmp(value, "off");
	return 0;
}

static int set_selftest(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return why_set(why, -EINVAL, "selftest: \"%s\" is neither on nor off", value);
	config->selftest = !strcmp(value, "on");
	return 0;
}

static int set_abi(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "7.3") && strcmp(value, "6.12"))
		return why_set(why, -EINVAL, "abi: \"%s\" is neither 7.3 nor 6.12", value);
	config->abi_6_12 = !strcmp(value, "6.12");
	return 0;
}

static int set_pasid0(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "apart") && strcmp(value, "same"))
		return why_set(why, -EINVAL, "pasid0: \"%s\" is neither apart nor same", value);
	config->pasid_0_same = !strcmp(value, "same");
	return 0;
}

static int set_groups(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "device") && strcmp(value, "strict"))
		return why_set(why, -EINVAL, "groups: \"%s\" is neither device nor strict", value);
	config->groups_strict = !strcmp(value, "strict");
	return 0;
}

static int set_memlock(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return why_set(why, -EINVAL, "memlock: \"%s\" is neither on nor off", value);
	config->memlock = !strcmp(value, "on");
	return 0;
}

static int set_pt(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	enum pt_format format;

	if (pt_format_find(value, &format))
		return why_set(why, -EINVAL,
			       "pt: there is no page-table format \"%s\" (see docs/page-tables.md)",
			       value);
	config->pt = pt_format_name(format);
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct ioas_iommu_config *config, const char *value, struct ioas_why *why);
} keys[] = {
	{"aw", set_aw},		{"mmap", set_mmap},	  {"selftest", set_selftest},
	{"abi", set_abi},	{"memlock", set_memlock}, {"pasid0", set_pasid0},
	{"groups", set_groups}, {"pt", set_pt},
};

int ioas_iommu_config_set(struct ioas_iommu_config *config, const char *key, const char *value,
			  struct ioas_why *why)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i].key))
			return keys[i].set(config, value, why);
	return why_set(why, -ENOENT,
		       "no setting \"%s\" (there are: aw, mmap, selftest, abi, memlock, "
		       "pasid0, groups, pt)",
		       key);
}

/* The format, and a width that it has. */
static int set_tables(struct ioas_iommu *iommu)
{
	struct ioas_iommu_config *config = &iommu->config;

	if (config->pt && pt_format_find(config->pt, &iommu->pt_format))
		return -EINVAL;
	if (!config->aw)
		config->aw = AW_DEFAULT;
	else if (!pt_format_has_aw(iommu->pt_format, config->aw))
		return -EINVAL;
	while (!pt_format_has_aw(iommu->pt_format, config->aw))
		config->aw--;
	iommu->aw = config->aw;
	return 0;
}

int ioas_iommu_new(const struct ioas_iommu_config *config, struct ioas_iommu **out)
{
	struct ioas_iommu *iommu = alloc_zero(1, sizeof(*iommu));
	int rc;

	if (!iommu)
		return -ENOMEM;
	if (config)
		iommu->config = *config;
	if (set_tables(iommu)) {
		free(iommu);
		return -EINVAL;
	}
	inflight_init(&iommu->inflight);
	iommu->msi = (struct ioas_range){MSI_FIRST, MSI_LAST};
	pthread_mutex_init(&iommu->pages_lock, NULL);
	pthread_mutex_init(&iommu->dmabuf_lock, NULL);
	rc = mem_map_new(pt_format_pa_bits(iommu->pt_format), &iommu->mem);
	if (!rc)
		rc = account_new(iommu, &iommu->account);
	if (!rc)
		rc = mem_files_new(&iommu->files);
	if (!rc)
		rc = route_table_new(iommu, &iommu->routes);
	if (!rc)
		rc = fault_log_new(&iommu->faults);
	if (!rc)
		rc = pci_bus_new(iommu, &iommu->pci);
	if (!rc)
		rc = uapi_new(iommu, &iommu->uapi);
	if (rc) {
		ioas_iommu_destroy(iommu);
		return rc;
	}
	*out = iommu;
	return 0;
}

/* Each part's destroy takes NULL, so that a half-made instance ends the same way. */
void ioas_iommu_destroy(struct ioas_iommu *iommu)
{
	if (!iommu)
		return;
	pci_bus_destroy(iommu->pci);
	uapi_destroy(iommu->uapi);
	fault_log_destroy(iommu->faults);
	route_table_destroy(iommu->routes);
	mem_files_destroy(iommu->files);
	account_destroy(iommu->account);
	mem_map_destroy(iommu->mem);
	pthread_mutex_destroy(&iommu->dmabuf_lock);
	pthread_mutex_destroy(&iommu->pages_lock);
	inflight_fini(&iommu->inflight);
	free(iommu);
}

void ioas_iommu_suspend(struct ioas_iommu *iommu)
{
	pci_bus_suspend(iommu->pci);
}

void ioas_iommu_resume(struct ioas_iommu *iommu)
{
	pci_bus_resume(iommu->pci);
}

void *iommu_counters_alloc(struct ioas_iommu *iommu, const char *name, size_t len)
{
	const struct ioas_host_ops *ops = iommu->config.host_ops;

	if (ops && ops->counters)
		return ops->counters(iommu->config.host, name, len);
	return alloc_zero(1, len);
}

void iommu_counters_free(struct ioas_iommu *iommu, void *counters)
{
	const struct ioas_host_ops *ops = iommu->config.host_ops;

	if (!ops || !ops->counters)
		free(counters);
}
