/* SPDX-License-Identifier: MIT */
/*
 * ats=on: data goes by translated requests, with a cache of translations that are asked for and
 * given back. Queues, PRP lists and shadow doorbells are untranslated: they lie in few pages, which
 * the IOMMU has at hand itself.
 */
#include <errno.h>
#include <ioas/ats.h>
#include "nvme/nvme.h"

#define ENTRIES 256 /* translations */

static bool invalidate(void *model, const struct ioas_ats_invalidation *what)
{
	struct nvme *nvme = model;

	ioas_atc_invalidate(nvme->atc, what);
	return true;
}

static const struct ioas_ats_ops ops = {.invalidate = invalidate};

int nvme_ats_open(struct nvme *nvme)
{
	int rc = ioas_atc_new(ENTRIES, &nvme->atc);

	if (rc)
		return rc;
	rc = ioas_ats_open(ioas_pci_device(nvme->pci), &ops, nvme);
	if (!rc) {
		nvme->drive.at_hand = false; /* a translation may have to be waited for */
		return 0;
	}
	ioas_atc_destroy(nvme->atc);
	nvme->atc = NULL;
	return rc == -EOPNOTSUPP ? 0 : rc; /* its IOMMU has none */
}

void nvme_ats_reset(struct nvme *nvme)
{
	if (nvme->atc)
		ioas_atc_clear(nvme->atc);
}

void nvme_ats_close(struct nvme *nvme)
{
	if (!nvme->atc)
		return;
	ioas_ats_close(ioas_pci_device(nvme->pci));
	ioas_atc_destroy(nvme->atc);
	nvme->atc = NULL;
}

/*
 * What has no translation is sent as it is: then the IOMMU says why not. So is all of it as long
 * as ATS is not enabled.
 */
int nvme_send(struct nvme *nvme, const struct ioas_tlp *tlp, uint8_t *buf)
{
	struct ioas_tlp rest = *tlp;
	uint64_t done = 0;
	int rc;

	if (!nvme->atc || !ioas_ats_enabled(ioas_pci_device(nvme->pci)))
		return ioas_tlp_issue(nvme->issuer, tlp, buf);
	rc = ioas_atc_issue(nvme->atc, nvme->issuer, tlp, buf, &done);
	if (rc != -EAGAIN)
		return rc;
	rest.addr += done;
	rest.len -= done;
	return ioas_tlp_issue(nvme->issuer, &rest, buf + done);
}
