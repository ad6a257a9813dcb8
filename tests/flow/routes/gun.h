/* SPDX-License-Identifier: MIT */
/*
 * A driver of tlpgun for flow tests, in plain Linux uAPI over cdev and iommufd: opens a function by
 * its address, has it send one TLP at a time, and looks up in the run's own trace (the file that
 * ROUTES_TRACE names) what was put on record. `long` results are 0 or -errno.
 */
#ifndef TESTS_FLOW_GUN_H
#define TESTS_FLOW_GUN_H

#include <ioas/tlp.h>
#include <ioas/tlpgun_regs.h>
#include <ioas/uapi_ext.h>
#include "tests/uapi/iommufd.h"
#include "tests/uapi/vfio.h"

#define IOVA 0x100000ul

struct gun {
	const char *name; /* "0000:01:00.0" */
	int cdev;
	uint32_t id; /* of the device, once bound */
	volatile uint8_t *regs, *buf, *portals;
};

/* ---- registers ---- */

static inline void gun_set32(const struct gun *gun, unsigned reg, uint32_t value)
{
	*(volatile uint32_t *)(gun->regs + reg) = value;
}

static inline void gun_set64(const struct gun *gun, unsigned reg, uint64_t value)
{
	*(volatile uint64_t *)(gun->regs + reg) = value;
}

static inline uint32_t gun_get32(const struct gun *gun, unsigned reg)
{
	return *(volatile uint32_t *)(gun->regs + reg);
}

static inline uint64_t gun_get64(const struct gun *gun, unsigned reg)
{
	return *(volatile uint64_t *)(gun->regs + reg);
}

static inline void give_up(const char *what)
{
	fprintf(stderr, "gave up: %s\n", what);
	exit(1);
}

/* Waits until a register's `mask` bits are `value`. A test that waits for nothing ends by this. */
static inline void gun_await(const struct gun *gun, unsigned reg, uint32_t mask, uint32_t value)
{
	for (unsigned i = 0; (gun_get32(gun, reg) & mask) != value; i++, usleep(100))
		if (i == 200000)
			give_up("a register keeps its value");
}

/* ---- the function ---- */

static inline off_t gun_region(int cdev, uint32_t index, uint64_t *len)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	if (call(cdev, VFIO_DEVICE_GET_REGION_INFO, &info))
		give_up("VFIO_DEVICE_GET_REGION_INFO");
	if (len)
		*len = info.size;
	return (off_t)info.offset;
}

static inline void *gun_bar(int cdev, uint32_t bar)
{
	uint64_t len;
	off_t at = gun_region(cdev, bar, &len);
	void *mem = len ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, cdev, at) : NULL;

	if (mem == MAP_FAILED)
		give_up("mmap of a BAR");
	return mem;
}

/* The device's own node, by sysfs. */
static inline struct gun gun_open(const char *name)
{
	struct gun gun = {.name = name, .cdev = -1};
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
			gun.cdev = open(path, O_RDWR | O_CLOEXEC);
		}
	if (dir)
		closedir(dir);
	if (gun.cdev < 0)
		give_up(name);
	return gun;
}

/* Binds it; on success its registers are there, and it may send. */
static inline long gun_bind(struct gun *gun, int iommufd)
{
	uint16_t command = 6; /* memory decoding, bus master */
	long rc = bind_iommufd(gun->cdev, iommufd, &gun->id);
	off_t config;

	if (rc)
		return rc;
	config = gun_region(gun->cdev, VFIO_PCI_CONFIG_REGION_INDEX, NULL);
	if (pwrite(gun->cdev, &command, 2, config + 4) != 2)
		give_up("config space");
	gun->regs = gun_bar(gun->cdev, IOAS_TLPGUN_BAR_REGS);
	gun->buf = gun_bar(gun->cdev, IOAS_TLPGUN_BAR_BUFFER);
	gun->portals = gun_bar(gun->cdev, IOAS_TLPGUN_BAR_PORTALS);
	if (gun_get32(gun, IOAS_TLPGUN_ID) != IOAS_TLPGUN_MAGIC)
		give_up("that is no tlpgun");
	return 0;
}

static inline struct gun gun_ready(const char *name, int iommufd)
{
	struct gun gun = gun_open(name);

	check(name, gun_bind(&gun, iommufd), 0);
	if (check_failed)
		exit(1);
	return gun;
}

/* ---- where its requests go ---- */

/* `pt`: an IOAS or a page table. */
static inline long gun_attach(const struct gun *gun, uint32_t pt)
{
	return attach(gun->cdev, &pt);
}

static inline long gun_detach(const struct gun *gun)
{
	return detach(gun->cdev);
}

static inline long gun_attach_pasid(const struct gun *gun, uint32_t pasid, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt,
		.pasid = pasid,
	};

	return call(gun->cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static inline long gun_detach_pasid(const struct gun *gun, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = pasid};

	return call(gun->cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

/*
 * The same by the extension ioctls, to which PASID 0 is one, and which tell by IOAS_ATTACH_NO_OP
 * whether there was anything to do. Returns the attach's flags.
 */
static inline long gun_attach_exactly(const struct gun *gun, const uint32_t *pasid, uint32_t pt)
{
	struct ioas_attach cmd = {
		.size = sizeof(cmd),
		.flags = pasid ? IOAS_ATTACH_PASID : 0,
		.pt_id = pt,
		.pasid = pasid ? *pasid : 0,
	};
	long rc = call(gun->cdev, IOAS_ATTACH, &cmd);

	return rc ? rc : cmd.out_flags;
}

static inline long gun_detach_exactly(const struct gun *gun, const uint32_t *pasid)
{
	struct ioas_detach cmd = {
		.size = sizeof(cmd),
		.flags = pasid ? IOAS_ATTACH_PASID : 0,
		.pasid = pasid ? *pasid : 0,
	};

	return call(gun->cdev, IOAS_DETACH, &cmd);
}

/* A page table of `ioas` that PASIDs of the device may be attached to. */
static inline uint32_t gun_table(const struct gun *gun, int iommufd, uint32_t ioas)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = gun->id,
		.pt_id = ioas,
	};

	check("IOMMU_HWPT_ALLOC for PASIDs", call(iommufd, IOMMU_HWPT_ALLOC, &cmd), 0);
	return cmd.out_hwpt_id;
}

/* An IOAS whose page at IOVA is a page of its own, so that where bytes land says where they went.
 */
struct place {
	uint32_t ioas;
	volatile uint64_t *page;
};

static inline struct place place_new(int iommufd, uint64_t content)
{
	struct place place = {.ioas = ioas_alloc(iommufd), .page = (void *)memory(PAGE)};

	for (unsigned i = 0; i < PAGE / 8; i++)
		place.page[i] = content;
	check("IOMMU_IOAS_MAP", map_fixed(iommufd, place.ioas, (void *)place.page, IOVA, PAGE), 0);
	return place;
}

/* ---- one TLP ---- */

/* What it carries beside address and data: enum ioas_tlpgun_ctrl without _WRITE. */
struct aim {
	uint32_t ctrl, pasid, rid;
};

#define UNTAGGED  ((struct aim){0})
#define TAGGED(p) ((struct aim){.ctrl = IOAS_TLPGUN_WITH_PASID, .pasid = (p)})

/* Rings the doorbell for what it aims at. `more`: further bits of CTRL. */
static inline void gun_ring(const struct gun *gun, struct aim aim, uint32_t more, uint64_t addr,
			    uint64_t len, enum ioas_tlpgun_doorbell bell)
{
	gun_set64(gun, IOAS_TLPGUN_ADDR, addr);
	gun_set64(gun, IOAS_TLPGUN_LEN, len);
	gun_set64(gun, IOAS_TLPGUN_COUNT, 1);
	gun_set32(gun, IOAS_TLPGUN_PASID, aim.pasid);
	gun_set32(gun, IOAS_TLPGUN_RID, aim.rid);
	gun_set32(gun, IOAS_TLPGUN_CTRL, aim.ctrl | more);
	gun_set32(gun, IOAS_TLPGUN_DOORBELL, bell);
}

static inline unsigned gun_send(const struct gun *gun, struct aim aim, uint32_t more, uint64_t addr)
{
	gun_ring(gun, aim, more, addr, 8, IOAS_TLPGUN_SHOOT);
	gun_await(gun, IOAS_TLPGUN_STATUS, IOAS_TLPGUN_BUSY, 0);
	return gun_get32(gun, IOAS_TLPGUN_STATUS) >> IOAS_TLPGUN_REASON_SHIFT & 0xff;
}

/* 8 bytes to addr: why the write is on record (enum ioas_fault_reason). */
static inline unsigned gun_write(const struct gun *gun, struct aim aim, uint64_t addr,
				 uint64_t value)
{
	*(volatile uint64_t *)gun->buf = value;
	return gun_send(gun, aim, IOAS_TLPGUN_WRITE, addr);
}

/* The 8 bytes at addr; 0 if the read was refused: nothing here has that content. */
static inline uint64_t gun_read(const struct gun *gun, struct aim aim, uint64_t addr)
{
	*(volatile uint64_t *)gun->buf = 0;
	gun_send(gun, aim, 0, addr);
	return *(volatile uint64_t *)gun->buf;
}

/* ---- why ---- */

/* Is that in the line that says why this thread's last call was refused? */
static inline bool refused_with(int iommufd, const char *text)
{
	static char line[512];
	struct ioas_last_refusal cmd = {
		.size = sizeof(cmd), .text_uptr = (uintptr_t)line, .text_len = sizeof(line)};

	if (!call(iommufd, IOAS_LAST_REFUSAL, &cmd) && strstr(line, text))
		return true;
	printf("     the reason was: %s\n", line);
	return false;
}

/* The newest line of the trace that has both, or "". */
static inline const char *traced(const char *one, const char *two)
{
	static char line[8192], found[8192];
	FILE *trace = fopen(getenv("ROUTES_TRACE") ? getenv("ROUTES_TRACE") : "", "r");

	*found = 0;
	while (trace && fgets(line, sizeof(line), trace))
		if (strstr(line, one) && strstr(line, two))
			memcpy(found, line, sizeof(found));
	if (trace)
		fclose(trace);
	return found;
}

/* Does the record of the gun's last burst say that? Its number is in the line as "fault". */
static inline bool recorded(const struct gun *gun, const char *what)
{
	char number[32];
	const char *line;

	snprintf(number, sizeof(number), "\"fault\":%llu,",
		 (unsigned long long)gun_get64(gun, IOAS_TLPGUN_RECORD));
	line = traced("\"event\":\"fault\"", number);
	if (strstr(line, what))
		return true;
	printf("     record %s is: %s\n", number, line);
	return false;
}

#endif
