/* SPDX-License-Identifier: MIT */
/*
 * A mediated device in miniature: software that fetches a request from an address space and writes
 * the answer there, without a bus, TLPs or a page table. The "program" half maps memory; the
 * "device" half knows IOVAs only. Link with -lioas.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ioas/access.h>

#define PAGE	 4096u
#define REQUEST	 0x10000ull /* IOVAs that the program has told the device */
#define ANSWER	 0x20000ull
#define CHECK(x) ((x) ? errx(1, #x ": %s", why.text) : (void)0)

struct request {
	uint64_t iova;
	uint64_t len;
	uint8_t value;
};

static struct ioas_why why;
static struct ioas_access_pin *pin;

/* The program unmaps, or the access is moved: let go. With threads, under a lock of your own. */
static void unmap(void *arg, iova_t first, iova_t last)
{
	if (pin && ioas_access_pin_iova(pin) <= last &&
	    ioas_access_pin_iova(pin) + ioas_access_pin_len(pin) > first) {
		ioas_access_unpin(pin);
		pin = NULL;
	}
}

static void device(struct ioas_access *access)
{
	struct ioas_access_loan loan = {0};
	struct request request;

	CHECK(ioas_access_rw(access, REQUEST, &request, sizeof(request), 0, &why));
	CHECK(ioas_access_pin(access, request.iova, request.len, IOAS_ACCESS_WRITE, &pin, &why));
	CHECK(ioas_access_begin(pin, 0, request.len, &loan));
	for (unsigned i = 0; i < loan.iov_nr; i++)
		memset(loan.iov[i].iov_base, request.value, loan.iov[i].iov_len);
	ioas_access_loan_fini(&loan);
}

int main(void)
{
	static const struct ioas_access_ops ops = {.unmap = unmap};
	static _Alignas(PAGE) uint8_t memory[3 * PAGE];
	struct request request = {.iova = ANSWER, .len = 2 * PAGE, .value = 0x5a};
	iova_t at_request = REQUEST, at_answer = ANSWER;
	struct ioas_access *access;
	struct ioas_iommu *iommu;
	struct ioas_space *space;

	CHECK(ioas_iommu_new(NULL, &iommu));
	CHECK(ioas_space_new(iommu, &space));
	memcpy(memory, &request, sizeof(request));
	CHECK(ioas_space_map(space, NULL, &at_request, (uintptr_t)memory, PAGE,
			     IOAS_MAP_FIXED | IOAS_MAP_READ, &why));
	CHECK(ioas_space_map(space, NULL, &at_answer, (uintptr_t)memory + PAGE, 2 * PAGE,
			     IOAS_MAP_FIXED | IOAS_MAP_READ | IOAS_MAP_WRITE, &why));

	CHECK(ioas_access_new(iommu, &ops, NULL, IOAS_ACCESS_PINS, &access));
	CHECK(ioas_access_attach(access, space, &why));
	device(access);
	CHECK(ioas_space_unmap(space, 0, UINT64_MAX, NULL, &why)); /* calls unmap() */
	printf("answer %#x, %s\n", memory[3 * PAGE - 1], pin ? "still pinned" : "let go");

	ioas_access_destroy(access);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	return memory[3 * PAGE - 1] != 0x5a;
}
