/* SPDX-License-Identifier: MIT */
/*
 * Description: a PASID has a route of its own, also PASID 0; a share set is connected to one page
 * table; PASIDs of shared queues mean one page table machine-wide.
 */
#include "tests/unit/route/attach.h"
#include "util/inject.h"

static void a_pasid_has_a_route_of_its_own(void **arg)
{
	struct ioas_device *dev = device(0x100, NULL, BOTH, 20);

	assert_int_equal(attach(dev, -1, 0, NULL), 0);
	assert_int_equal(attach(dev, 0, 1, NULL), 0);
	assert_int_equal(attach(dev, 0xfffff, 2, NULL), 0);
	assert_ptr_equal(route_of(dev, -1), pt[0]);
	assert_ptr_equal(route_of(dev, 0), pt[1]);
	assert_ptr_equal(route_of(dev, 0xfffff), pt[2]);
	assert_null(route_of(dev, 1));
	detach(dev, 0);
	assert_null(route_of(dev, 0));
	assert_ptr_equal(route_of(dev, -1), pt[0]);
	detach(dev, -1);
	assert_ptr_equal(route_of(dev, 0xfffff), pt[2]);
	detach(dev, 0xfffff);
	detach(dev, 0xfffff);
	end(dev);
}

static void what_was_not_declared_is_not_attached(void **arg)
{
	struct ioas_device *plain = device(0x100, NULL, IOAS_FORM_RID, 0);
	struct ioas_device *narrow = device(0x108, NULL, IOAS_FORM_PASID, 8);
	struct ioas_why why;

	assert_int_equal(attach(plain, 3, 0, &why), -EINVAL);
	assert_non_null(strstr(why.text, "declared no requests with PASIDs"));
	assert_int_equal(attach(narrow, 256, 0, &why), -EINVAL);
	assert_string_equal(why.text, "0000:01:01.0: its PASIDs have 8 bits, 256 is beyond that");
	assert_int_equal(attach(narrow, 255, 0, &why), 0);
	assert_int_equal(attach(narrow, -1, 0, &why), -EINVAL);
	detach(narrow, 255);
	assert_int_equal(ioas_device_bind(plain, 0, 0, NULL), -EBUSY);
	ioas_device_unbind(plain);
	assert_int_equal(ioas_device_bind(plain, IOAS_FORM_PASID, 21, &why), -EINVAL);
	assert_int_equal(ioas_device_bind(plain, IOAS_FORM_PASID, 0, &why), -EINVAL);
	assert_int_equal(ioas_device_bind(plain, IOAS_FORM_RID, 5, &why), -EINVAL);
	end(plain);
	end(narrow);
}

static void pasid_0_is_refused_where_it_is_no_pasid(void **arg)
{
	struct ioas_device *dev = device(0x100, NULL, BOTH, 20);
	struct ioas_why why;

	assert_int_equal(attach(dev, 0, 0, &why), -EINVAL);
	assert_non_null(strstr(why.text, "PASID 0"));
	assert_int_equal(attach(dev, 1, 0, &why), 0);
	detach(dev, 1);
	end(dev);
}

/* Dense at one end of the PASIDs, sparse over all of them. */
static pasid_t pasid_of(unsigned slot)
{
	return slot & 1 ? slot * 256 + 1 : slot;
}

/* A brute-force twin: an array with a slot for each PASID that is used. */
static void pasids_agree_with_an_array(void **arg)
{
	static unsigned expected[1 << 12];
	struct ioas_device *dev = device(0x100, NULL, BOTH, 20);
	uint32_t state = 11;
	pasid_t pasid;

	for (int round = 0; round < 40000; round++) {
		unsigned slot, to;

		state = state * 1664525 + 1013904223;
		slot = state >> 8 & 0xfff;
		to = state >> 24 & 3;
		pasid = pasid_of(slot);
		if (to) {
			assert_int_equal(attach(dev, (int)pasid, to - 1, NULL), 0);
			expected[slot] = to;
		} else {
			detach(dev, (int)pasid);
			expected[slot] = 0;
		}
		state = state * 1664525 + 1013904223;
		slot = state >> 8 & 0xfff;
		pasid = pasid_of(slot);
		assert_ptr_equal(route_of(dev, (int)pasid),
				 expected[slot] ? pt[expected[slot] - 1] : NULL);
	}
	for (pasid = 0; route_entry_next(dev->set, &pasid); pasid++) {
		unsigned slot = pasid & 1 ? pasid / 256 : pasid;

		assert_int_not_equal(expected[slot], 0);
		expected[slot] = 0;
		detach(dev, (int)pasid);
	}
	for (unsigned slot = 0; slot < 1 << 12; slot++)
		assert_int_equal(expected[slot], 0);
	assert_null(route_of(dev, 0));
	end(dev);
}

static void a_share_set_goes_to_one_page_table(void **arg)
{
	struct ioas_device *a, *b;
	struct route_set *set;
	struct ioas_why why;

	assert_int_equal(route_set_new(iommu, &set), 0);
	a = device(0x200, set, BOTH, 20);
	b = device(0x208, set, BOTH, 20);
	for (int pasid = -1; pasid < 6; pasid += 6) {
		assert_int_equal(attach(a, pasid, 0, NULL), 0);
		assert_int_equal(attach(b, pasid, 1, &why), -EINVAL);
		assert_non_null(strstr(why.text, "0000:02:00.0"));
		assert_non_null(strstr(why.text, "page table 11"));
		assert_ptr_equal(route_of(b, pasid), pt[0]);
		assert_int_equal(attach(b, pasid, 0, NULL), 1);
		/* Replace moves both. */
		assert_int_equal(attach(a, pasid, 2, NULL), 0);
		assert_ptr_equal(route_of(b, pasid), pt[2]);
		/* The first one leaves: the other has the route still, and then nobody. */
		detach(a, pasid);
		assert_ptr_equal(route_of(b, pasid), pt[2]);
		assert_int_equal(attach(a, pasid, 1, NULL), -EINVAL);
		detach(b, pasid);
		assert_null(route_of(b, pasid));
		assert_int_equal(attach(a, pasid, 1, NULL), 0);
		detach(a, pasid);
	}
	end(a);
	end(b);
	route_set_put(set);
}

static void pasids_of_shared_queues_are_machine_wide(void **arg)
{
	uint32_t forms = IOAS_FORM_RID | IOAS_FORM_SHARED_QUEUE;
	struct ioas_device *a = device(0x100, NULL, forms, 20);
	struct ioas_device *b = device(0x200, NULL, forms, 20);
	struct ioas_device *own = device(0x300, NULL, BOTH, 20);
	struct ioas_why why;

	assert_int_equal(attach(a, 7, 0, NULL), 0);
	assert_int_equal(attach(b, 7, 1, &why), -EINVAL);
	assert_non_null(strstr(why.text, "0000:01:00.0"));
	assert_null(route_of(b, 7));
	assert_int_equal(attach(own, 7, 1, NULL), 0);
	assert_int_equal(attach(b, 7, 0, NULL), 0);
	assert_int_equal(attach(b, 8, 1, NULL), 0);
	assert_int_equal(attach(b, 7, 2, NULL), -EINVAL);
	detach(a, 7);
	/* Alone with it, a device may move. */
	assert_int_equal(attach(b, 7, 2, NULL), 0);
	detach(b, 7);
	assert_int_equal(attach(a, 7, 1, NULL), 0);
	detach(a, 7);
	detach(b, 8);
	detach(own, 7);
	end(a);
	end(b);
	end(own);
}

/* All routes, `max` at a time: their PASIDs (-1: none), flags and page tables, as text. */
static const char *routes(struct ioas_device *dev, size_t max)
{
	static char text[300];
	struct ioas_route route[4];
	uint64_t cursor = 0;
	size_t nr;
	int at = 0;

	text[0] = '\0';
	assert_int_equal(ioas_device_routes(dev, &cursor, route, 0), 0);
	assert_int_equal(cursor, 0);
	while ((nr = ioas_device_routes(dev, &cursor, route, max)))
		for (size_t i = 0; i < nr; i++) {
			assert_int_equal(route[i].has_pasid, !!(route[i].flags & IOAS_ROUTE_PASID));
			assert_int_equal(!route[i].pt_id, !!(route[i].flags & IOAS_ROUTE_BLOCKED));
			assert_int_equal(route[i].ioas_id,
					 route[i].pt_id ? route[i].pt_id - 10 : 0);
			at += snprintf(text + at, sizeof(text) - (size_t)at, "%d:%u%s%s%s ",
				       route[i].has_pasid ? (int)route[i].pasid : -1,
				       route[i].pt_id,
				       route[i].flags & IOAS_ROUTE_ATTACHED ? "a" : "",
				       route[i].flags & IOAS_ROUTE_NO_OP ? "n" : "",
				       route[i].flags & IOAS_ROUTE_OTHERS ? "o" : "");
		}
	assert_int_equal(ioas_device_routes(dev, &cursor, route, 4), 0);
	return text;
}

/* Each once, in order, however many at a time. */
static void routes_are_listed(void **arg)
{
	struct ioas_device *a, *b;
	struct route_set *set;

	assert_int_equal(route_set_new(iommu, &set), 0);
	a = device(0x200, set, BOTH, 20);
	b = device(0x208, set, BOTH, 20);
	assert_string_equal(routes(a, 4), "");
	assert_int_equal(attach(a, 0xfffff, 2, NULL), 0);
	assert_string_equal(routes(a, 1), "1048575:13a ");
	assert_int_equal(attach(a, -1, 0, NULL), 0);
	assert_int_equal(attach(a, 0, 1, NULL), 0);
	assert_int_equal(attach(a, 1, 1, NULL), 0);
	assert_int_equal(attach(a, 512, 0, NULL), 0);
	assert_int_equal(attach(b, 512, 0, NULL), 1);
	assert_int_equal(route_attach_to(a, &(pasid_t){513}, NULL, NULL), 0);
	for (size_t max = 1; max <= 4; max++) {
		assert_string_equal(routes(a, max),
				    "-1:11a 0:12a 1:12a 512:11ao 513:0a 1048575:13a ");
		assert_string_equal(routes(b, max),
				    "-1:11o 0:12o 1:12o 512:11ano 513:0o 1048575:13o ");
	}
	detach(a, -1);
	for (int pasid = 0; pasid < 2; pasid++) {
		detach(a, pasid);
		detach(a, 512 + pasid);
	}
	assert_string_equal(routes(b, 1), "512:11a 1048575:13o ");
	detach(a, 0xfffff);
	detach(b, 512);
	assert_string_equal(routes(b, 1), "");
	end(a);
	end(b);
	route_set_put(set);
}

/* The last PASIDs of all, one at a time; who is at the end is told of no more. */
static void the_last_pasids_are_listed(void **arg)
{
	struct ioas_device *dev = device(0x200, NULL, BOTH, 20);
	struct ioas_route route;
	uint64_t cursor = 0;

	for (int pasid = 0xffffc; pasid <= 0xfffff; pasid++)
		assert_int_equal(attach(dev, pasid, 1, NULL), 0);
	assert_string_equal(routes(dev, 1), "1048572:12a 1048573:12a 1048574:12a 1048575:12a ");
	detach(dev, 0xfffff);
	for (int pasid = 0xffffc; pasid <= 0xffffe; pasid++) {
		assert_int_equal(ioas_device_routes(dev, &cursor, &route, 1), 1);
		assert_int_equal(route.pasid, pasid);
	}
	assert_int_equal(ioas_device_routes(dev, &cursor, &route, 1), 0);
	assert_int_equal(attach(dev, 0xfffff, 1, NULL), 0);
	assert_int_equal(ioas_device_routes(dev, &cursor, &route, 1), 0);
	for (int pasid = 0xffffc; pasid <= 0xfffff; pasid++)
		detach(dev, pasid);
	end(dev);
}

/* An attach with the 1st, 2nd, ... allocation failing; each time the route is what it was. */
static unsigned sweep(struct ioas_device *dev, int pasid, unsigned to, int rc)
{
	struct pt *was = route_of(dev, pasid);
	struct ioas_why why;

	for (unsigned n = 1;; n++) {
		int got;

		why.text[0] = '\0';
		inject_arm(n);
		got = attach(dev, pasid, to, &why);
		if (inject_remaining()) {
			inject_arm(0);
			assert_int_equal(got, rc);
			assert_ptr_equal(route_of(dev, pasid), pt[to]);
			return n - 1;
		}
		assert_int_equal(got, -ENOMEM);
		assert_non_null(strstr(why.text, dev->name));
		assert_ptr_equal(route_of(dev, pasid), was);
		/* Nothing is left to be detached. */
		detach(dev, pasid);
		assert_ptr_equal(route_of(dev, pasid), was);
	}
}

static void without_memory_the_old_route_stays(void **arg)
{
	uint32_t forms = IOAS_FORM_RID | IOAS_FORM_SHARED_QUEUE;
	struct ioas_device *a, *b, *wide, *other;
	struct route_set *set;

	assert_int_equal(route_set_new(iommu, &set), 0);
	a = device(0x200, set, BOTH, 20);
	b = device(0x208, set, BOTH, 20);
	wide = device(0x300, NULL, forms, 20);
	other = device(0x400, NULL, forms, 20);
	/* The first one, and to move, needs no memory but for a PASID's place. */
	assert_int_equal(sweep(a, -1, 0, 0), 0);
	assert_int_equal(sweep(a, 77, 0, 0), 2);
	assert_int_equal(sweep(b, -1, 0, 1), 1);
	assert_int_equal(sweep(b, 77, 0, 1), 1);
	assert_int_equal(attach(a, 77, 1, NULL), 0);
	assert_ptr_equal(route_of(b, 77), pt[1]);
	detach(a, 77);
	assert_ptr_equal(route_of(b, 77), pt[1]);
	detach(b, 77);
	assert_null(route_of(b, 77));
	/* A machine-wide one has a place for itself, and a user there. */
	assert_true(sweep(wide, 7, 1, 0) >= 3);
	assert_int_equal(attach(other, 7, 0, NULL), -EINVAL);
	assert_true(sweep(other, 7, 1, 0) >= 2);
	/* What failed has not left the device behind, for which the PASID would mean something. */
	detach(wide, 7);
	detach(other, 7);
	for (unsigned n = 1; n <= 20; n++) {
		inject_arm(n);
		attach(wide, 9, 1, NULL);
		if (inject_remaining())
			break;
		assert_int_equal(attach(other, 9, n % 3, NULL), 0);
		detach(other, 9);
	}
	assert_true(inject_remaining());
	inject_arm(0);
	/* Alone it moves, and then means the new table for others, too. */
	assert_int_equal(attach(wide, 9, 2, NULL), 0);
	assert_int_equal(attach(other, 9, 1, NULL), -EINVAL);
	assert_int_equal(attach(other, 9, 2, NULL), 0);
	detach(other, 9);
	detach(wide, 9);
	assert_int_equal(attach(wide, 7, 1, NULL), 0);
	assert_int_equal(attach(other, 7, 1, NULL), 0);
	detach(wide, 7);
	assert_int_equal(attach(other, 7, 2, NULL), 0);
	detach(other, 7);
	assert_int_equal(attach(wide, 7, 0, NULL), 0);
	detach(wide, 7);
	detach(a, -1);
	detach(b, -1);
	end(a);
	end(b);
	end(wide);
	end(other);
	route_set_put(set);
}

/* Its IOMMU walks what it can read: formats that it knows, of no more address bits than it has. */
static void a_table_that_cannot_be_walked_is_no_route(void **arg)
{
	static const struct {
		struct pt_config config;
		const char *why;
	} cases[] = {
		{{.format = PT_VTD_SS, .aw = 48}, "the page table has format vtd-ss"},
		{{.format = PT_AMDV1, .aw = 49},
		 "its IOMMU has 48 address bits, the page table 49"},
	};
	struct ioas_device *dev = device(0x100, NULL, BOTH, 20);

	dev->aw = 48;
	for (unsigned i = 0; i < 2; i++)
		for (int pasid = -1; pasid < 2; pasid++) {
			struct ioas_why why = {""};
			pasid_t number = (pasid_t)pasid;
			struct pt *wrong;

			assert_int_equal(pt_new(&cases[i].config, &wrong), 0);
			for (unsigned there = 0; there < 2; there++) {
				assert_int_equal(
					route_attach(dev, pasid < 0 ? NULL : &number, wrong, &why),
					-EINVAL);
				assert_non_null(strstr(why.text, cases[i].why));
				assert_ptr_equal(route_of(dev, pasid), there ? pt[1] : NULL);
				assert_int_equal(attach(dev, pasid, 1, NULL), 0);
			}
			detach(dev, pasid);
			pt_destroy(wrong);
		}
	end(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pasid_has_a_route_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_declared_is_not_attached, setup,
						teardown),
		cmocka_unit_test_setup_teardown(pasid_0_is_refused_where_it_is_no_pasid, setup_same,
						teardown),
		cmocka_unit_test_setup_teardown(pasids_agree_with_an_array, setup, teardown),
		cmocka_unit_test_setup_teardown(a_share_set_goes_to_one_page_table, setup,
						teardown),
		cmocka_unit_test_setup_teardown(pasids_of_shared_queues_are_machine_wide, setup,
						teardown),
		cmocka_unit_test_setup_teardown(routes_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_pasids_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_table_that_cannot_be_walked_is_no_route, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_memory_the_old_route_stays, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
