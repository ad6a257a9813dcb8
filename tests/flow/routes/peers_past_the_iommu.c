/* SPDX-License-Identifier: MIT */
/*
 * Description: ports without ACS (argument "off") turn a request for a peer's BAR to the peer: the
 * IOMMU never sees it, and it is on record as having passed. With ACS ("on") it comes to the IOMMU
 * and is refused like any address that nobody mapped.
 */
#include "gun.h"

/* Where BAR `bar` of a function is on the bus. */
static uint64_t bar_address(const char *name, unsigned bar)
{
	char path[PATH_MAX], line[128];
	uint64_t at = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", name);
	file = fopen(path, "r");
	for (unsigned i = 0; file && i <= bar && fgets(line, sizeof(line), file); i++)
		at = strtoull(line, NULL, 0);
	if (file)
		fclose(file);
	return at;
}

static void turned(const struct gun *a, const struct gun *b, uint64_t bar)
{
	check("a writes to b", gun_write(a, UNTAGGED, bar + 16, 0x77), IOAS_PASSED_PEER);
	check("  it passed", (long)gun_get64(a, IOAS_TLPGUN_PASSED), 1);
	check("  into b's buffer", (long)*(volatile uint64_t *)(b->buf + 16), 0x77);
	check("  on record as passed", recorded(a, "\"passed\":true"), 1);
	check("  with the peer's name", recorded(a, b->name), 1);
	check("a reads of b", (long)gun_read(a, UNTAGGED, bar + 16), 0x77);
	check("a PASID makes no difference", gun_write(a, TAGGED(3), bar + 24, 0x78),
	      IOAS_PASSED_PEER);
}

static void redirected(const struct gun *a, const struct gun *b, uint64_t bar)
{
	check("a writes to b", gun_write(a, UNTAGGED, bar + 16, 0x77), IOAS_FAULT_NOT_MAPPED);
	check("  did not pass", (long)gun_get64(a, IOAS_TLPGUN_FAULTED), 1);
	check("  nor into b's buffer", (long)*(volatile uint64_t *)(b->buf + 16), 0);
	check("  on record at the IOMMU", recorded(a, "not mapped"), 1);
	check("a reads nothing of b", (long)gun_read(a, UNTAGGED, bar + 16), 0);
}

int main(int argc, char **argv)
{
	int fd = open_or_skip("/dev/iommu"), acs = argc > 1 ? !strcmp(argv[1], "on") : 0;
	struct gun a = gun_ready("0000:03:00.0", fd), b = gun_ready("0000:04:00.0", fd);
	struct gun far = gun_ready("0000:05:00.0", fd);
	struct place place = place_new(fd, 0xa);
	uint64_t bar = bar_address(b.name, IOAS_TLPGUN_BAR_BUFFER);
	uint64_t far_bar = bar_address(far.name, IOAS_TLPGUN_BAR_BUFFER);

	check("b has a BAR", bar != 0, 1);
	check("a to its IOAS", gun_attach(&a, place.ioas), 0);
	*(volatile uint64_t *)(b.buf + 16) = 0;
	if (acs)
		redirected(&a, &b, bar);
	else
		turned(&a, &b, bar);
	/* Either way: the far one's is up to the root, and a's own memory by its route. */
	check("a writes to the far one", gun_write(&a, UNTAGGED, far_bar + 16, 1),
	      IOAS_FAULT_NOT_MAPPED);
	check("a's own memory", (long)gun_read(&a, UNTAGGED, IOVA), 0xa);
	/* What is mapped at a peer's address is hidden by the peer, unless the port redirects. */
	check("map", map_fixed(fd, place.ioas, (void *)place.page, bar, PAGE), 0);
	check("a reads there", (long)gun_read(&a, UNTAGGED, bar + 16), acs ? 0xa : 0x77);
	return check_done();
}
