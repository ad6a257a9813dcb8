/* SPDX-License-Identifier: MIT */
/*
 * A program that opens its device and then becomes a daemon: the child must get EBUSY while its
 * parent lives, and drive the device, with its own memory, once the parent is gone.
 * It appends what it saw to the file it is given.
 */
#include <stdio.h>
#include "nvme.h"

static void tell(const char *file, const char *what, int rc)
{
	FILE *f = fopen(file, "a");

	if (!f)
		exit(2);
	fprintf(f, "%s: %s\n", what, strerror(-rc));
	fclose(f);
}

static int probe(struct nvme *nvme)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};

	return ioctl(nvme->dev, VFIO_DEVICE_GET_INFO, &info) ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct nvme nvme;
	int rc, go[2], tried[2], ms;
	char c = 0;

	if (argc < 2 || pipe(go) || pipe(tried))
		return 2;
	rc = nvme_open(&nvme);
	tell(argv[1], "open", rc);
	if (rc)
		return 1;
	tell(argv[1], "parent", nvme_identify(&nvme));
	if (fork()) {
		close(tried[1]);
		if (read(tried[0], &c, 1) != 1)
			return 1;
		/* The fork has not disturbed the parent. */
		tell(argv[1], "parent again", nvme_identify(&nvme));
		return 0;
	}
	close(go[1]);
	tell(argv[1], "child early", probe(&nvme));
	if (write(tried[1], &c, 1) != 1)
		return 1;
	/* End of file: the parent has exited. Its engine lets go at the same moment, nearly. */
	if (read(go[0], &c, 1))
		return 1;
	for (ms = 0; (rc = probe(&nvme)) == -EBUSY && ms < 5000; ms++)
		usleep(1000);
	tell(argv[1], "child", rc);
	/* Twice: as the parent left the controller, and after a reset. */
	tell(argv[1], "child identify", nvme_identify(&nvme));
	rc = nvme_enable(&nvme);
	tell(argv[1], "child reset", rc ? rc : nvme_identify(&nvme));
	return 0;
}
