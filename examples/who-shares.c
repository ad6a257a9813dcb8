/* SPDX-License-Identifier: MIT */
/*
 * With whom does a device share what, and why? All of it can be asked before the device is bound,
 * by ioctls that Linux does not have (ioas/uapi_ext.h):
 *   ioas run --machine examples/machines/conventional.yaml -- who-shares BDF
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <ioas/uapi_ext.h>

static int open_cdev(const char *bdf)
{
	char path[512];
	struct dirent *entry;
	int fd = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
	if (dir)
		closedir(dir);
	return fd;
}

/* One of the three lists: how long it is, then its lines. */
static void show(int dev, unsigned long cmd, const char *title)
{
	struct ioas_get_list list = {.size = sizeof(list)};

	if (ioctl(dev, cmd, &list))
		err(1, "%s", title);
	uint32_t nr = list.entry_nr;
	char *text = malloc(list.text_len);

	list.entry_nr = 0;
	list.text_uptr = (uintptr_t)text;
	if (!text || ioctl(dev, cmd, &list))
		err(1, "%s", title);
	printf("%s: %u\n", title, nr);
	for (const char *line = text; *line;) {
		int len = 0;

		while (line[len] != '\n')
			len++;
		printf("  %.*s\n", len, line);
		line += len + 1;
	}
	free(text);
}

int main(int argc, char **argv)
{
	struct ioas_get_device device = {.size = sizeof(device)};

	if (argc != 2) {
		fprintf(stderr, "usage: who-shares BDF, such as 0000:01:00.0\n");
		return 2;
	}
	int dev = open_cdev(argv[1]);
	if (dev < 0)
		err(1, "%s: no VFIO device", argv[1]);
	if (ioctl(dev, IOAS_GET_DEVICE, &device))
		err(1, errno == ENOTTY ? "this is a real kernel, which cannot say"
				       : "IOAS_GET_DEVICE");
	printf("%s: group %u, share set %u, its requests arrive as %02x:%02x.%x\n", argv[1],
	       device.out_group, device.out_share_set, device.out_requester >> 8 & 0xff,
	       device.out_requester >> 3 & 31, device.out_requester & 7);
	show(dev, IOAS_GET_REQUESTERS, "requester IDs");
	show(dev, IOAS_GET_MEMBERS, "members of the group");
	show(dev, IOAS_GET_REASONS, "reasons");
	close(dev);
	return 0;
}
