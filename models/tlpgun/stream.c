/* SPDX-License-Identifier: MIT */
/* The twin on a platform bus: the same gun, whose requests have a StreamID. */
#include "tlpgun/gun.h"

int ioas_tlpgun_stream_new(struct ioas_iommu *iommu, const char *name, uint32_t stream_id,
			   const struct ioas_tlpgun_config *config, struct ioas_tlpgun **out)
{
	struct gun_shape shape = {
		.buf_len = config && config->buf_len ? config->buf_len : GUN_BUF_LEN,
		.depth = config && config->depth ? config->depth : GUN_DEPTH,
		.pasid_lg2 = IOAS_PASID_BITS,
	};
	struct ioas_device *dev = NULL;
	struct ioas_tlpgun *gun;
	int rc = gun_new(&shape, &gun);

	if (rc)
		return rc;
	rc = ioas_stream_new(iommu, name, stream_id, &dev);
	if (!rc)
		rc = gun_arm(gun, dev);
	if (rc) {
		gun_free(gun);
		ioas_stream_destroy(dev);
		return rc;
	}
	*out = gun;
	return 0;
}

void ioas_tlpgun_stream_destroy(struct ioas_tlpgun *gun)
{
	struct ioas_device *dev;

	if (!gun)
		return;
	dev = gun->dev;
	ioas_tlpgun_stop(gun);
	gun_free(gun);
	ioas_stream_destroy(dev);
}
