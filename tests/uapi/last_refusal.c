/* SPDX-License-Identifier: MIT */
/* IOAS_LAST_REFUSAL: a program asks why it was refused. Linux has no such thing: ENOTTY there. */
#include <dlfcn.h>
#include <pthread.h>
#include <ioas/uapi_ext.h>
#include "iommufd.h"

static int fd;
static char text[256];

static long last(char *buf, uint32_t len, struct ioas_last_refusal *out)
{
	struct ioas_last_refusal cmd = {
		.size = sizeof(cmd), .text_uptr = (uintptr_t)buf, .text_len = len};
	long rc = call(fd, IOAS_LAST_REFUSAL, &cmd);

	*out = cmd;
	return rc;
}

/* Does this thread's last reason have that in it, by either way? */
static int reason_has(const char *word)
{
	ioas_last_reason_fn fn = (ioas_last_reason_fn)dlsym(RTLD_DEFAULT, IOAS_LAST_REASON_SYMBOL);
	struct ioas_last_refusal cmd;

	if (last(text, sizeof(text), &cmd) || cmd.text_len != strlen(text) + 1)
		return 0;
	return strstr(text, word) && fn && !strcmp(fn(), text);
}

static void *other_thread(void *arg)
{
	struct ioas_last_refusal cmd;

	check("another thread", last(text, sizeof(text), &cmd), 0);
	check("was refused nothing", cmd.out_error, 0);
	check("no text", text[0], 0);
	check("it is refused", destroy(fd, 4321), -ENOENT);
	check("and reads why", reason_has("4321"), 1);
	return arg;
}

static void refusals(void)
{
	struct {
		struct ioas_last_refusal cmd;
		uint32_t tail;
	} longer = {.cmd = {.size = sizeof(longer)}, .tail = 1};
	struct ioas_last_refusal cmd = {.size = sizeof(cmd) - 1};

	EXPECT(fd, IOAS_LAST_REFUSAL, WILD, -EFAULT, "wild");
	EXPECT(fd, IOAS_LAST_REFUSAL, &cmd, -EINVAL, "short");
	EXPECT(fd, IOAS_LAST_REFUSAL, &longer, -E2BIG, "a tail that is not zero");
	longer.tail = 0;
	EXPECT(fd, IOAS_LAST_REFUSAL, &longer, 0, "a tail of zeros");
	cmd.size = sizeof(cmd);
	cmd.flags = 1;
	EXPECT(fd, IOAS_LAST_REFUSAL, &cmd, -EOPNOTSUPP, "flags");
	cmd.flags = 0;
	cmd.text_len = 9;
	EXPECT(fd, IOAS_LAST_REFUSAL, &cmd, -EINVAL, "room without text");
	check("wild text", last(WILD, 9, &cmd), -EFAULT);
}

int main(void)
{
	struct ioas_last_refusal cmd;
	pthread_t thread;

	fd = open_or_skip("/dev/iommu");
	if (last(NULL, 0, &cmd) == -ENOTTY) {
		printf("SKIP: no door of uiommufd\n");
		return EXIT_SKIP;
	}
	check("nothing refused", cmd.out_error, 0);
	check("an empty line", cmd.text_len, 1);
	check("destroy", destroy(fd, 9876), -ENOENT);
	check("says which", reason_has("9876"), 1);
	check("and what", reason_has("IOMMU_DESTROY"), 1);
	check("the error", (last(NULL, 0, &cmd), cmd.out_error), ENOENT);
	check("cut", last(text, 6, &cmd), 0);
	check("to that room", (long)strlen(text), 5);
	check("success", ioas_alloc(fd), 1);
	check("leaves it alone", reason_has("9876"), 1);
	pthread_create(&thread, NULL, other_thread, NULL);
	pthread_join(thread, NULL);
	check("this thread's is as it was", reason_has("9876"), 1);
	refusals();
	check("asking leaves it alone", reason_has("9876"), 1);
	return check_done();
}
