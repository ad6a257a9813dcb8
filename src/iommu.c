/* SPDX-License-Identifier: MIT */
/* The instance: configuration, and the life of its parts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/file.h"
#include "tlp/check_dirty.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

#define AW_MIN 32
#define AW_MAX 57

#define TIMEOUT_MAX 3600000u

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

static int set_timeout(const char *key, const char *value, unsigned *out, struct ioas_why *why)
{
	char *end;
	unsigned long ms = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !ms || ms > TIMEOUT_MAX)
		return why_set(why, -EINVAL, "%s: \"%s\" is not a time of 1 to %u ms", key, value,
			       TIMEOUT_MAX);
	*out = (unsigned)ms;
	return 0;
}

static int set_ats_timeout(struct ioas_iommu_config *config, const char *value,
			   struct ioas_why *why)
{
	return set_timeout("ats-timeout", value, &config->ats_timeout_ms, why);
}

static int set_pri_timeout(struct ioas_iommu_config *config, const char *value,
			   struct ioas_why *why)
{
	return set_timeout("pri-timeout", value, &config->pri_timeout_ms, why);
}

static int set_memlock(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return why_set(why, -EINVAL, "memlock: \"%s\" is neither on nor off", value);
	config->memlock = !strcmp(value, "on");
	return 0;
}

static int set_check_dirty(struct ioas_iommu_config *config, const char *value,
			   struct ioas_why *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return why_set(why, -EINVAL, "check-dirty: \"%s\" is neither on nor off", value);
	config->check_dirty = !strcmp(value, "on");
	return 0;
}

static int set_check_invalidation(struct ioas_iommu_config *config, const char *value,
				  struct ioas_why *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return why_set(why, -EINVAL, "check-invalidation: \"%s\" is neither on nor off",
			       value);
	config->check_invalidation = !strcmp(value, "on");
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

static int set_kind(struct ioas_iommu_config *config, const char *value, struct ioas_why *why)
{
	const struct kind_type *type = kind_find(value);

	if (!type)
		return why_set(why, -EINVAL, "iommu: \"%s\" is none of " KIND_NAMES, value);
	config->kind = type->name;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct ioas_iommu_config *config, const char *value, struct ioas_why *why);
} keys[] = {
	{"aw", set_aw},
	{"mmap", set_mmap},
	{"selftest", set_selftest},
	{"abi", set_abi},
	{"memlock", set_memlock},
	{"pasid0", set_pasid0},
	{"groups", set_groups},
	{"pt", set_pt},
	{"iommu", set_kind},
	{"check-dirty", set_check_dirty},
	{"check-invalidation", set_check_invalidation},
	{"ats-timeout", set_ats_timeout},
	{"pri-timeout", set_pri_timeout},
};

int ioas_iommu_config_set(struct ioas_iommu_config *config, const char *key, const char *value,
			  struct ioas_why *why)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i].key))
			return keys[i].set(config, value, why);
	return why_set(why, -ENOENT,
		       "no setting \"%s\" (there are: aw, mmap, selftest, abi, memlock, "
		       "pasid0, groups, pt, iommu, check-dirty, check-invalidation, ats-timeout, "
		       "pri-timeout)",
		       key);
}

/* What devices are behind that no machine file describes. */
static int set_own(struct ioas_iommu *iommu, const struct ioas_iommu_config *config,
		   struct ioas_why *why)
{
	int rc;

	if (config)
		iommu->config = *config;
	config = &iommu->config;
	if (config->aw && !aw_valid(config->aw))
		return why_set(why, -EINVAL, "an address width of %u bits, it must be %d to %d",
			       config->aw, AW_MIN, AW_MAX);
	if (config->pt && pt_format_find(config->pt, &iommu->pt_format))
		return why_set(why, -EINVAL, "there is no page-table format \"%s\"", config->pt);
	rc = kind_unit_init(&iommu->own, iommu, NULL, 0, why);
	iommu->unit = &iommu->own;
	iommu->aw = iommu->own.table.aw;
	iommu->config.aw = iommu->aw;
	return rc;
}

int ioas_iommu_check(const struct ioas_iommu_config *config, struct ioas_why *why)
{
	struct ioas_iommu iommu = {0};
	int rc = set_own(&iommu, config, why);

	kind_unit_fini(&iommu.own);
	return rc;
}

int ioas_iommu_new(const struct ioas_iommu_config *config, struct ioas_iommu **out)
{
	struct ioas_iommu *iommu = alloc_zero(1, sizeof(*iommu));
	int rc;

	if (!iommu)
		return -ENOMEM;
	rc = set_own(iommu, config, NULL);
	if (rc) {
		kind_unit_fini(&iommu->own);
		free(iommu);
		return rc == -EOPNOTSUPP ? -EINVAL : rc;
	}
	inflight_init(&iommu->inflight);
	lock_init(&iommu->nest_lock, LOCK_NEST);
	ats_tables_init(&iommu->ats);
	lock_init(&iommu->pages_lock, LOCK_PAGES);
	lock_init(&iommu->dmabuf_lock, LOCK_DMABUFS);
	lock_guards(&iommu->dmabuf_lock, &iommu->dmabuf_spaces, &iommu->nest_lock);
	space_pools_init(iommu);
	rc = mem_map_new(kind_unit_pa_bits(&iommu->own), &iommu->mem);
	if (!rc)
		rc = account_new(iommu, &iommu->account);
	if (!rc)
		rc = mem_files_new(&iommu->files);
	if (!rc)
		rc = route_table_new(iommu, &iommu->routes);
	if (!rc)
		rc = fault_log_new(&iommu->faults);
	if (!rc)
		rc = check_dirty_new(iommu, &iommu->check_dirty);
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
	check_dirty_destroy(iommu->check_dirty);
	fault_log_destroy(iommu->faults);
	route_table_destroy(iommu->routes);
	mem_files_destroy(iommu->files);
	account_destroy(iommu->account);
	mem_map_destroy(iommu->mem);
	space_pools_fini(iommu);
	pthread_mutex_destroy(&iommu->dmabuf_lock);
	pthread_mutex_destroy(&iommu->pages_lock);
	pthread_mutex_destroy(&iommu->nest_lock);
	ats_tables_fini(&iommu->ats);
	inflight_fini(&iommu->inflight);
	kind_unit_fini(&iommu->own);
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
