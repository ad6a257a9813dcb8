/* SPDX-License-Identifier: MIT */
/* IOAS_GET_REQUESTERS, _MEMBERS, _REASONS: with whom a device shares what, and why. */
#include "ext.h"

static char text[4096];
static union {
	struct ioas_get_requester requester[16];
	struct ioas_get_member member[16];
	struct ioas_get_reason reason[16];
} got;

/* All of a list, into `got` and `text`. Returns how many, or -errno. */
static long list(int file, unsigned long nr, uint32_t dev_id)
{
	struct ioas_get_list cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.entry_nr = 16,
		.entries_uptr = (uintptr_t)&got,
		.text_uptr = (uintptr_t)text,
		.text_len = sizeof(text),
	};
	long rc = call(file, nr, &cmd);

	if (!rc && cmd.text_len != strlen(text) + 1)
		check("the text's length", cmd.text_len, (long)strlen(text) + 1);
	return rc ? rc : cmd.entry_nr;
}

static int lines(void)
{
	int nr = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		nr++;
	return nr;
}

static void requesters(int first, int also)
{
	check("requester IDs of a plain function", list(first, IOAS_GET_REQUESTERS, 0), 1);
	check("its own", got.requester[0].requester, FIRST);
	check("because it is", got.requester[0].cause, IOAS_GET_OWN);
	check("behind a bridge", list(also, IOAS_GET_REQUESTERS, 0), 2);
	check("its own first", got.requester[0].requester, ALSO_BEHIND);
	check("and the bridge's secondary bus:00.0", got.requester[1].requester, FN(0, 3, 0, 0));
	check("of that bridge", got.requester[1].at, BRIDGE);
	check("which is from PCI Express to PCI", got.requester[1].cause, IOAS_GET_PCIE_TO_PCI);
	check("a line each", lines(), 2);
	check("that names it", strstr(text, "0000:02:00.0") != NULL, 1);
}

static const struct ioas_get_member *member(long nr, uint32_t function)
{
	static const struct ioas_get_member none;

	for (long i = 0; i < nr; i++)
		if (got.member[i].function == function)
			return &got.member[i];
	return &none;
}

static void members(int fd, int first, int second, int also)
{
	int other_fd = open_or_skip("/dev/iommu");
	uint32_t id;
	long nr;

	check("members of a group of two", nr = list(first, IOAS_GET_MEMBERS, 0), 2);
	check("itself", member(nr, FIRST)->flags, IOAS_MEMBER_SELF | IOAS_MEMBER_SHARES);
	check("its neighbour", member(nr, SECOND)->flags, 0);
	check("has a share set of its own",
	      member(nr, SECOND)->share_set != member(nr, FIRST)->share_set, 1);
	check("bind it", bind_iommufd(second, fd, &id), 0);
	nr = list(first, IOAS_GET_MEMBERS, 0);
	check("of one not bound all are elsewhere", member(nr, SECOND)->flags,
	      IOAS_MEMBER_ELSEWHERE);
	nr = list(fd, IOAS_GET_MEMBERS, id);
	check("bound here", member(nr, SECOND)->flags,
	      IOAS_MEMBER_SELF | IOAS_MEMBER_SHARES | IOAS_MEMBER_BOUND);
	check("by that id", member(nr, SECOND)->dev_id, id);
	check("two lines", lines(), 2);
	check("which say so", strstr(text, "bound here as device") != NULL, 1);
	nr = list(also, IOAS_GET_MEMBERS, 0);
	check("behind the bridge both share", member(nr, BEHIND)->flags, IOAS_MEMBER_SHARES);
	check("the bridge is of the group", member(nr, BRIDGE)->flags & IOAS_MEMBER_PORT,
	      IOAS_MEMBER_PORT);
	nr = list(open_function(BESIDE), IOAS_GET_MEMBERS, 0);
	check("a neighbour that the host has", member(nr, HOSTS)->flags, IOAS_MEMBER_HOST);
	check("by name", strstr(text, "snd_hda_intel") != NULL, 1);
	check("ids are those of one /dev/iommu", list(other_fd, IOAS_GET_MEMBERS, id), -ENOENT);
}

/* Of the share set (flags) or of the group: the one with both functions. */
static const struct ioas_get_reason *reason(long nr, uint32_t a, uint32_t b, uint32_t flags)
{
	static const struct ioas_get_reason none = {.cause = UINT32_MAX};

	for (long i = 0; i < nr; i++)
		if (got.reason[i].flags == flags &&
		    ((got.reason[i].a == a && got.reason[i].b == b) ||
		     (got.reason[i].a == b && got.reason[i].b == a)))
			return &got.reason[i];
	return &none;
}

static void reasons(int first, int also)
{
	long nr = list(first, IOAS_GET_REASONS, 0);

	check("two functions of one device", reason(nr, FIRST, SECOND, 0)->cause,
	      IOAS_GET_MULTIFUNCTION);
	check("bits that would part them", reason(nr, FIRST, SECOND, 0)->acs_missing != 0, 1);
	check("a line each", lines(), nr);
	nr = list(also, IOAS_GET_REASONS, 0);
	check("behind one bridge", reason(nr, BEHIND, ALSO_BEHIND, IOAS_REASON_SHARE_SET)->cause,
	      IOAS_GET_PCIE_TO_PCI);
	check("by its requester ID",
	      reason(nr, BEHIND, ALSO_BEHIND, IOAS_REASON_SHARE_SET)->requester, FN(0, 3, 0, 0));
	check("it is that bridge", reason(nr, BEHIND, ALSO_BEHIND, IOAS_REASON_SHARE_SET)->at,
	      BRIDGE);
	check("that holds the group, too", reason(nr, BEHIND, BRIDGE, 0)->at, BRIDGE);
	check("one is alone", list(open_function(OTHER), IOAS_GET_REASONS, 0), 0);
	check("no text", text[0], 0);
}

/* Entries for which there is no room, or no place. */
static void too_many(int dev, unsigned long nr, long want, void *entries)
{
	struct ioas_get_list cmd = {
		.size = sizeof(cmd), .entry_nr = 1, .entries_uptr = (uintptr_t)entries};

	check("entries that do not fit", call(dev, nr, &cmd), want);
	check("how many there are", cmd.entry_nr > 1, want == -EMSGSIZE);
}

static void room(int also)
{
	struct ioas_get_list cmd = {.size = sizeof(cmd)};

	check_struct(also, IOAS_GET_REQUESTERS, &cmd, sizeof(cmd));
	check_struct(also, IOAS_GET_MEMBERS, &cmd, sizeof(cmd));
	check_struct(also, IOAS_GET_REASONS, &cmd, sizeof(cmd));
	cmd.__reserved = 1;
	EXPECT(also, IOAS_GET_MEMBERS, &cmd, -EOPNOTSUPP, "reserved field");
	cmd.__reserved = 0;
	EXPECT(also, IOAS_GET_REQUESTERS, &cmd, 0, "how many");
	check("two", cmd.entry_nr, 2);
	check("and how long", cmd.text_len > 20, 1);
	cmd.text_len = 0;
	EXPECT(also, IOAS_GET_REQUESTERS, &cmd, -EINVAL, "room without entries");
	EXPECT(also, IOAS_GET_MEMBERS, &cmd, -EINVAL, "room without entries");
	EXPECT(also, IOAS_GET_REASONS, &cmd, -EINVAL, "room without entries");
	cmd.entry_nr = 0;
	cmd.text_uptr = (uintptr_t)text;
	EXPECT(also, IOAS_GET_REQUESTERS, &cmd, -EINVAL, "text without room");
	cmd.text_len = 5;
	memset(text, 'x', sizeof(text));
	EXPECT(also, IOAS_GET_REQUESTERS, &cmd, 0, "text that does not fit");
	check("is cut", (long)strlen(text), 4);
	check("but not its length", cmd.text_len > 20, 1);
	cmd = (struct ioas_get_list){
		.size = sizeof(cmd), .entry_nr = 1, .entries_uptr = (uintptr_t)&got};
	memset(&got, 0xff, sizeof(got));
	EXPECT(also, IOAS_GET_REQUESTERS, &cmd, -EMSGSIZE, "entries that do not fit");
	check("how many there are", cmd.entry_nr, 2);
	check("the first is there", got.requester[0].requester, ALSO_BEHIND);
	check("nothing behind it", got.requester[1].requester, UINT32_MAX);
	too_many(also, IOAS_GET_MEMBERS, -EMSGSIZE, &got);
	too_many(also, IOAS_GET_REASONS, -EMSGSIZE, &got);
	too_many(also, IOAS_GET_REQUESTERS, -EFAULT, WILD);
	cmd = (struct ioas_get_list){.size = sizeof(cmd), .dev_id = 1};
	EXPECT(also, IOAS_GET_REQUESTERS, &cmd, -EINVAL, "an id on a device");
	EXPECT(also, IOAS_GET_MEMBERS, &cmd, -EINVAL, "an id on a device");
	EXPECT(also, IOAS_GET_REASONS, &cmd, -EINVAL, "an id on a device");
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	int first = open_function(FIRST), second = open_function(SECOND);
	int also = open_function(ALSO_BEHIND);

	room(also);
	requesters(first, also);
	members(fd, first, second, also);
	reasons(first, also);
	check("no such id", list(fd, IOAS_GET_REQUESTERS, 4321), -ENOENT);
	check("no such id", list(fd, IOAS_GET_REASONS, 4321), -ENOENT);
	return check_done();
}
