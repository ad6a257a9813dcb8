/* SPDX-License-Identifier: MIT */
/* Description: who shares a requester ID with whom, and by whose doing, however many IDs there are.
 */
#include "tests/unit/route/tree.h"

static void assert_only_edge(const struct ioas_topology *t, const char *of, const char *expected)
{
	struct ioas_topology_edge edge[2];
	char text[400];

	assert_int_equal(ioas_topology_share_set_edges(t, share(t, of), edge, 2), 1);
	ioas_topology_edge_format(t, &edge[0], text, sizeof(text));
	assert_string_equal(text, expected);
}

/* Whose own the ID is comes first; else the function of the lower address, whatever their causes.
 */
static void the_first_of_two_is_the_owner_or_the_lower_one(void **arg)
{
	static const rid_t ghost[] = {0x0010}, second[] = {0x0018};
	struct ioas_topology *t = tree_new();

	tree_add(t, (struct ioas_topology_function){
			    .addr = at("00:01.0"), .alias = ghost, .alias_nr = 1});
	tree_add(t, (struct ioas_topology_function){.addr = at("00:02.3"),
						    .quirks = IOAS_QUIRK_USES_FUNCTION_0});
	tree_add(t, (struct ioas_topology_function){
			    .addr = at("00:01.2"), .alias = second, .alias_nr = 1});
	leaf(t, "00:03.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_only_edge(t, "00:01.0",
			 "0000:00:01.0 and 0000:00:02.3: 0000:00:02.3 uses the requester ID of "
			 "function 0, too");
	assert_only_edge(t, "00:03.0",
			 "0000:00:03.0 and 0000:00:01.2: 0000:00:01.2 is known to use the "
			 "requester ID 00:03.0, too");
	ioas_topology_destroy(t);

	t = tree_new();
	tree_add(t, (struct ioas_topology_function){.addr = at("00:02.3"),
						    .quirks = IOAS_QUIRK_USES_FUNCTION_0});
	tree_add(t, (struct ioas_topology_function){
			    .addr = at("00:03.0"), .alias = ghost, .alias_nr = 1});
	resolve(t);
	assert_only_edge(t, "00:03.0",
			 "0000:00:02.3 and 0000:00:03.0: 0000:00:03.0 is known to use the "
			 "requester ID 00:02.0, too");
	ioas_topology_destroy(t);
}

/* Each of many is as good as each of few. */
static void any_of_many_aliases_is_shared(void **arg)
{
	rid_t many[40];

	for (unsigned i = 0; i < 40; i++)
		many[i] = (rid_t)(0x0100 + 3 * i);
	for (unsigned nr = 10; nr <= 40; nr++)
		for (unsigned i = 0; i < nr; i += 9) {
			struct ioas_topology *t = tree_new();
			struct ioas_pci_addr other = {.bus = many[i] >> 8,
						      .devfn = (uint8_t)many[i]};

			tree_add(t, (struct ioas_topology_function){
					    .addr = at("00:01.0"), .alias = many, .alias_nr = nr});
			tree_add(t, (struct ioas_topology_function){.addr = other});
			other.devfn++;
			tree_add(t, (struct ioas_topology_function){.addr = other});
			resolve(t);
			assert_int_equal(ioas_topology_share_set_nr(t), 2);
			assert_int_not_equal(share(t, "00:01.0"),
					     ioas_topology_share_set_of(t, other));
			other.devfn--;
			assert_int_equal(share(t, "00:01.0"), ioas_topology_share_set_of(t, other));
			ioas_topology_destroy(t);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_two_is_the_owner_or_the_lower_one),
		cmocka_unit_test(any_of_many_aliases_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
