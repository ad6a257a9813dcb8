/* SPDX-License-Identifier: MIT */
/*
 * Description: machine files: addresses are given as firmware gives them, what is wrong is named
 * with its line, and what is written reads back as the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "machine_file.h"

static struct ioas_topology *parse(const char *text)
{
	struct ioas_topology *topology = NULL;
	struct ioas_why why = {""};

	if (machine_file_parse("m", text, strlen(text), &topology, &why))
		fail_msg("%s", why.text);
	return topology;
}

static const struct ioas_topology_function *at(const struct ioas_topology *topology,
					       const char *text)
{
	struct ioas_pci_addr addr;

	assert_int_equal(ioas_pci_addr_parse(text, &addr), 0);
	return ioas_topology_find(topology, addr);
}

/* All addresses, in order, with buses: "00:01.0>01-02 01:00.0 ...". */
static void expect(const char *text, const char *wanted)
{
	struct ioas_topology *topology = parse(text);
	const struct ioas_topology_function *f = NULL;
	char got[512] = "", name[IOAS_NAME_LEN];
	size_t len = 0;

	while ((f = ioas_topology_next(topology, f))) {
		ioas_pci_addr_format(f->addr, name);
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", len ? " " : "",
					f->addr.segment ? name : name + 5);
		if (f->secondary)
			len += (size_t)snprintf(got + len, sizeof(got) - len, ">%02x-%02x",
						f->secondary, f->subordinate);
	}
	assert_string_equal(got, wanted);
	ioas_topology_destroy(topology);
}

#define ROOT "root-buses:\n  - devices:\n"

static void addresses_left_out_are_given(void **state)
{
	/* Devices from 1 on a root bus, around those that are there; buses depth first. */
	expect(ROOT "      - type: rc-endpoint\n"
		    "      - {type: rc-endpoint, at: 01.0}\n"
		    "      - type: rc-endpoint\n",
	       "00:01.0 00:02.0 00:03.0");
	expect(ROOT "      - type: root-port\n"
		    "        below:\n"
		    "          - type: switch\n"
		    "            below:\n"
		    "              - below: [{}]\n"
		    "              - below: [{}]\n"
		    "      - type: root-port\n"
		    "        below: [{functions: [{}, {at: .4}, {}]}]\n",
	       "00:01.0>01-04 00:02.0>05-05 01:00.0>02-04 02:00.0>03-03 02:01.0>04-04 03:00.0 "
	       "04:00.0 05:00.0 05:00.4 05:00.5");
	/* In the order of device numbers, not of the file; what is given counts for what follows.
	 */
	expect(ROOT "      - {type: root-port, at: 05.0}\n"
		    "      - {type: root-port, at: 04.0, buses: 10-1f}\n"
		    "      - {type: root-port, at: 06.0, buses: none}\n"
		    "      - {type: pci-bridge, at: 1e.0, below: [{}, {}]}\n",
	       "00:04.0>10-1f 00:05.0>20-20 00:06.0 00:1e.0>21-21 21:00.0 21:01.0");
}

static void root_buses_follow_one_another(void **state)
{
	expect("root-buses:\n"
	       "  - devices: [{type: root-port}]\n"
	       "  - devices: [{type: root-port}]\n"
	       "  - {bus: 80, devices: [{type: root-port}]}\n"
	       "  - {segment: 1, devices: [{type: root-port}]}\n",
	       "00:01.0>01-01 02:01.0>03-03 80:01.0>81-81 0001:00:01.0>01-01");
}

static void virtual_functions_follow_the_others(void **state)
{
	struct ioas_topology *topology;

	expect(ROOT "      - type: root-port\n"
		    "        below:\n"
		    "          - functions:\n"
		    "              - virtual-functions: [{count: 2}, {driver: x}]\n"
		    "              - virtual-functions: [{at: \"01:10.1\"}, {count: 2}]\n"
		    "                vf-stride: 2\n",
	       "00:01.0>01-01 01:00.0 01:00.1 01:00.2 01:00.3 01:00.4 01:00.7 01:01.1 01:10.1");
	/* They may need further buses, which are the port's then. */
	topology = parse(ROOT "      - type: root-port\n"
			      "        below:\n"
			      "          - {vf-offset: 256, virtual-functions: [{count: 300}]}\n"
			      "      - type: root-port\n");
	assert_int_equal(at(topology, "00:01.0")->subordinate, 3);
	assert_int_equal(at(topology, "00:02.0")->secondary, 4);
	assert_true(at(topology, "02:00.0")->is_virtual);
	assert_int_equal(at(topology, "02:00.0")->physical.bus, 1);
	assert_non_null(at(topology, "03:05.3"));
	assert_null(at(topology, "03:05.4"));
	ioas_topology_destroy(topology);
}

static void what_is_left_out_is_assumed(void **state)
{
	struct ioas_topology *topology =
		parse(ROOT "      - type: root-port\n"
			   "        acs: on\n"
			   "        below: [{functions: [{acs: off}, {acs: [rr, dt]}]}]\n");
	const struct ioas_topology_function *f = at(topology, "00:01.0");

	assert_int_equal(ioas_topology_iommu_nr(topology), 1);
	assert_string_equal(ioas_topology_iommu(topology, 0)->kind, "soft");
	assert_int_equal(f->acs_ctrl, IOAS_ACS_SV | IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_UF);
	assert_false(f->multifunction);
	assert_false(f->acs_cap & IOAS_ACS_DT);
	f = at(topology, "01:00.0");
	assert_int_equal(f->type, IOAS_TOPOLOGY_ENDPOINT);
	assert_true(f->multifunction && f->acs && !f->acs_ctrl);
	f = at(topology, "01:00.1");
	assert_int_equal(f->acs_ctrl, IOAS_ACS_RR | IOAS_ACS_DT);
	assert_int_equal(f->acs_cap, IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_DT);
	ioas_topology_destroy(topology);

	topology = parse("iommus: []\nroot-buses: []\n");
	assert_int_equal(ioas_topology_iommu_nr(topology), 0);
	assert_null(ioas_topology_next(topology, NULL));
	ioas_topology_destroy(topology);
}

/* A bit of everything. */
static const char everything[] = "iommus:\n"
				 "  - kind: soft\n"
				 "    address-width: 57\n"
				 "    page-sizes: [4K, 2M, 1G]\n"
				 "    pasid-width: 20\n"
				 "    capabilities: [ats, pri, dirty, nested, pasid-0-apart]\n"
				 "    reserved: [0xfee00000-0xfeefffff, 0-0xfff]\n"
				 "  - kind: soft\n"
				 "root-buses:\n"
				 "  - segment: 2\n"
				 "    bus: 80\n"
				 "    iommu: 1\n"
				 "    devices:\n"
				 "      - type: root-port\n"
				 "        acs: [sv, rr]\n"
				 "        acs-capable: [sv, tb, rr, cr, uf, ec, dt]\n"
				 "        multifunction: yes\n"
				 "        below:\n"
				 "          - name: \"a \\\"quoted\\\" name: #1\"\n"
				 "            id: 8086:1521\n"
				 "            class: 020000\n"
				 "            pasid: 16\n"
				 "            ats: yes\n"
				 "            pri: on\n"
				 "            quirks: [isolated]\n"
				 "            aliases: [\"81:1f.7\"]\n"
				 "            phantom-functions: 2\n"
				 "            model: nvme,drive=a,,b.img\n"
				 "            driver: nvme\n"
				 "            vf-offset: 8\n"
				 "            virtual-functions: [{count: 2, ats: yes}]\n"
				 "      - {type: rc-endpoint, at: 1f.3, iommu: none, acs: off}\n"
				 "      - {type: root-port, at: 1e.0, buses: none}\n";

static char *written(const struct ioas_topology *topology)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	assert_int_equal(machine_file_write(topology, to, NULL, NULL), 0);
	fclose(to);
	return text;
}

static void same_function(const struct ioas_topology_function *a,
			  const struct ioas_topology_function *b)
{
	assert_memory_equal(&a->addr, &b->addr, sizeof(a->addr));
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->multifunction, b->multifunction);
	assert_int_equal(a->secondary, b->secondary);
	assert_int_equal(a->subordinate, b->subordinate);
	assert_int_equal(a->vendor, b->vendor);
	assert_int_equal(a->device, b->device);
	assert_int_equal(a->class_code, b->class_code);
	assert_int_equal(a->acs, b->acs);
	assert_int_equal(a->acs_cap, b->acs_cap);
	assert_int_equal(a->acs_ctrl, b->acs_ctrl);
	assert_int_equal(a->quirks, b->quirks);
	assert_int_equal(a->phantom_lg2, b->phantom_lg2);
	assert_int_equal(a->pasid_lg2, b->pasid_lg2);
	assert_int_equal(a->ats, b->ats);
	assert_int_equal(a->pri, b->pri);
	assert_int_equal(a->is_virtual, b->is_virtual);
	assert_memory_equal(&a->physical, &b->physical, sizeof(a->physical));
	assert_int_equal(a->alias_nr, b->alias_nr);
	for (size_t i = 0; i < a->alias_nr; i++)
		assert_int_equal(a->alias[i], b->alias[i]);
	assert_int_equal(a->iommu, b->iommu);
	assert_string_equal(a->model, b->model);
	assert_string_equal(a->driver, b->driver);
	assert_string_equal(a->name, b->name);
}

static void what_is_written_reads_back(void **state)
{
	struct ioas_topology *one = parse(everything), *two;
	const struct ioas_topology_function *a = NULL, *b = NULL;
	char *text = written(one), *again;

	assert_string_equal(at(one, "0002:81:00.0")->name, "a \"quoted\" name: #1");
	assert_string_equal(at(one, "0002:81:00.0")->model, "nvme,drive=a,,b.img");
	assert_int_equal(at(one, "0002:80:1f.3")->iommu, IOAS_TOPOLOGY_NO_IOMMU);
	two = parse(text);
	again = written(two);
	assert_string_equal(text, again);
	assert_int_equal(ioas_topology_iommu_nr(one), ioas_topology_iommu_nr(two));
	assert_int_equal(ioas_topology_iommu(one, 0)->page_sizes, 1 << 12 | 1 << 21 | 1 << 30);
	assert_int_equal(ioas_topology_iommu(two, 0)->page_sizes, 1 << 12 | 1 << 21 | 1 << 30);
	assert_int_equal(ioas_topology_iommu(two, 0)->reserved_nr, 2);
	assert_true(ioas_topology_iommu(two, 0)->pasid_0_apart);
	do {
		a = ioas_topology_next(one, a);
		b = ioas_topology_next(two, b);
		assert_int_equal(!a, !b);
		if (a)
			same_function(a, b);
	} while (a);
	free(text);
	free(again);
	ioas_topology_destroy(one);
	ioas_topology_destroy(two);
}

/* ---- what is wrong ---- */

static void refused(const char *text, const char *wanted)
{
	struct ioas_topology *topology = NULL;
	struct ioas_why why = {""};

	assert_int_equal(machine_file_parse("m", text, strlen(text), &topology, &why), -EINVAL);
	if (strncmp(why.text, wanted, strlen(wanted)))
		fail_msg("\"%s\", not \"%s\", for:\n%s", why.text, wanted, text);
}

static void yaml_itself_is_checked(void **state)
{
	refused("", "m:1: nothing in it");
	refused("root-buses:\n  - bus: \"3\\n\\e[2J\"\n", "m:2: bus \"3??[2J\"");
	refused("# only a comment\n", "m:1: nothing in it");
	refused("root-buses: [\n", "m:2: ");
	refused("root-buses: []\n  x: :\n", "m:2: ");
	refused("\troot-buses: []\n", "m:1: ");
	refused("root-buses: []\n---\nroot-buses: []\n", "m:2: a second document");
	refused("- 1\n", "m:1: keys with values");
	refused("root-buses: 7\n", "m:1: a list");
	refused("root-buses:\n  - devices:\n      - 7\n", "m:3: keys with values");
	refused(ROOT "      - type: [root-port]\n", "m:3: a single value");
	refused("root-buses: []\nbuses: []\n", "m:2: unknown key \"buses\"");
	refused(ROOT "      - type: root-port\n        colour: red\n",
		"m:4: unknown key \"colour\"");
	refused("root-buses: []\niommus: []\nroot-buses: []\n",
		"m:3: \"root-buses\" is there twice");
	refused(ROOT "      - &a {type: rc-endpoint}\n      - *a\n", "m:4: no aliases");
}

static void each_value_is_checked(void **state)
{
	refused("iommus:\n  - kind: soft\n    address-width: 65\n", "m:3: address-width \"65\"");
	refused("iommus:\n  - pasid-width: 21\n", "m:2: pasid-width \"21\"");
	refused("iommus:\n  - page-sizes:\n      - 4K\n      - 5K\n", "m:4: page size \"5K\"");
	refused("iommus:\n  - capabilities: [ats, magic]\n", "m:2: capability \"magic\"");
	refused("iommus:\n  - kind: soft\n    reserved:\n    - 5-4\n", "m:4: \"5-4\" is no range");
	refused("root-buses:\n  - segment: 10000\n", "m:2: segment \"10000\"");
	refused("root-buses:\n  - segment: 0\n    bus: 100\n", "m:3: bus \"100\"");
	refused("root-buses:\n  - iommu: 1\n    devices: [{type: root-port}]\n",
		"m:2: iommu \"1\"");
	refused(ROOT "      - at: 01.0\n", "m:3: on a root bus a device needs its type");
	refused(ROOT "      - at: 01.0\n        type: toaster\n",
		"m:4: type \"toaster\" is none of");
	refused(ROOT "      - type: root-port\n        at: here\n", "m:4: \"here\" is no address");
	refused(ROOT "      - type: root-port\n        buses: x\n", "m:4: \"x\" is neither");
	refused(ROOT "      - type: root-port\n        acs: [sv, xx]\n", "m:4: ACS bit \"xx\"");
	refused(ROOT "      - type: root-port\n        acs: maybe\n", "m:4: acs is none, off, on");
	refused(ROOT "      - type: root-port\n        acs: [sv, dt]\n        acs-capable: [sv]\n",
		"m:4: dt is not among");
	refused(ROOT "      - type: root-port\n        acs: none\n        acs-capable: [sv]\n",
		"m:5: acs-capable and acs: none");
	refused(ROOT "      - type: root-port\n        id: 8086\n", "m:4: id \"8086\"");
	refused(ROOT "      - type: root-port\n        class: 1000000\n", "m:4: class");
	refused(ROOT "      - type: rc-endpoint\n        pasid: 21\n", "m:4: pasid \"21\"");
	refused(ROOT "      - type: rc-endpoint\n        ats: perhaps\n", "m:4: ats \"perhaps\"");
	refused(ROOT "      - type: rc-endpoint\n        phantom-functions: 4\n", "m:4: phantom");
	refused(ROOT "      - type: rc-endpoint\n        quirks:\n          - odd\n",
		"m:5: quirk \"odd\" is none of");
	refused(ROOT "      - type: rc-endpoint\n        aliases: [7]\n", "m:4: alias \"7\"");
	refused(ROOT "      - type: rc-endpoint\n        model: nvme,addr=01:00.0\n",
		"m:4: the model");
	refused(ROOT "      - type: root-port\n        model: nvme\n", "m:4: ports and bridges");
}

static void what_does_not_belong_is_refused(void **state)
{
	refused(ROOT "      - type: rc-endpoint\n        below: [{}]\n",
		"m:4: nothing can be below");
	refused(ROOT "      - type: rc-endpoint\n        buses: 01\n",
		"m:4: only ports and bridges");
	refused(ROOT "      - {type: root-port, buses: none,\n         below: [{}]}\n",
		"m:3: without");
	refused(ROOT "      - type: root-port\n        virtual-functions: [{}]\n",
		"m:4: only PCI Express endpoints");
	refused(ROOT "      - type: rc-endpoint\n        count: 2\n", "m:4: count belongs");
	refused(ROOT "      - type: rc-endpoint\n        virtual-functions:\n          - type: x\n",
		"m:5: \"type\" does not belong to a virtual function");
	refused(ROOT
		"      - type: rc-endpoint\n        virtual-functions:\n          - at: 02.0\n",
		"m:5: a virtual function's address needs its bus");
	refused(ROOT "      - type: rc-endpoint\n        virtual-functions:\n"
		     "          - count: 0\n",
		"m:5: count \"0\"");
	refused(ROOT "      - type: rc-endpoint\n        vf-stride: 0\n", "m:4: vf-stride \"0\"");
	refused(ROOT "      - type: rc-endpoint\n        functions: []\n",
		"m:4: a device has at least");
	refused(ROOT "      - type: rc-endpoint\n        driver: x\n        functions: [{}]\n",
		"m:4: \"driver\" belongs to one of the functions");
	refused(ROOT "      - type: rc-endpoint\n        functions:\n"
		     "          - functions: [{}]\n",
		"m:5: a function has no functions");
	refused(ROOT "      - type: rc-endpoint\n        functions:\n          - at: 03.0\n",
		"m:5: of a function among functions");
	refused(ROOT "      - type: root-port\n        below:\n          - iommu: 0\n",
		"m:5: what is below a port or bridge");
}

static void addresses_that_clash_are_refused(void **state)
{
	refused(ROOT "      - {type: root-port, at: 01.0}\n      - {type: root-port, at: 01.0}\n",
		"m:4: 0000:00:01.0 is taken by line 3");
	refused(ROOT "      - type: root-port\n        below:\n          - {}\n          - {}\n",
		"m:6: one device fits below a port");
	refused(ROOT "      - {type: root-port, below: [{at: \"05:00.0\"}]}\n",
		"m:3: it stands on bus 01, not 05");
	refused(ROOT "      - {type: root-port, at: \"0001:00:01.0\"}\n",
		"m:3: it stands in segment 0000, not 0001");
	refused(ROOT "      - type: root-port\n        buses: 01-02\n        below:\n"
		     "          - {type: switch, below: [{}, {}]}\n",
		"m:4: what is below it reaches to bus 04");
	refused(ROOT "      - {type: root-port, buses: ff}\n      - {type: root-port}\n",
		"m:4: no bus number is left");
	refused(ROOT "      - {type: root-port, buses: 05}\n      - {type: root-port, buses: 05}\n",
		"m:3: ");
	refused(ROOT
		"      - {type: rc-endpoint, functions: [{}, {}, {}, {}, {}, {}, {}, {}, {}]}\n",
		"m:3: a device has at most 8");
	refused(ROOT "      - {type: rc-endpoint, vf-offset: 65535, virtual-functions: [{}]}\n",
		"m:3: virtual function 1 would be beyond");
}

/* Each prefix, and each text with one byte changed, is taken or refused with a line. */
static void damage_is_survived(void **state)
{
	const size_t len = sizeof(everything) - 1;
	static const char bytes[] = "\n\t:-[]{}\"&*#%\0x9\xff";
	struct ioas_topology *topology;
	struct ioas_why why;
	char *copy;
	int rc;

	for (size_t n = 0; n <= len; n++) {
		for (size_t b = 0; b < sizeof(bytes); b += n % 7 ? sizeof(bytes) : 1) {
			bool change = n % 7 == 0 && n < len;

			copy = malloc(len + 1);
			memcpy(copy, everything, len);
			if (change)
				copy[n] = bytes[b];
			why.text[0] = 0;
			topology = NULL;
			rc = machine_file_parse("m", copy, change ? len : n, &topology, &why);
			free(copy);
			assert_true(rc == 0 || rc == -EINVAL);
			assert_int_equal(rc, topology ? 0 : -EINVAL);
			assert_int_equal(strncmp(why.text, "m:", 2) == 0, rc == -EINVAL);
			ioas_topology_destroy(topology);
		}
	}
}

static void files_that_are_not_there_are_named(void **state)
{
	struct ioas_topology *topology;
	struct ioas_why why = {""};

	assert_int_equal(machine_file_read("/absent/m.yaml", &topology, &why), -ENOENT);
	assert_string_equal(why.text, "/absent/m.yaml: No such file or directory");
	assert_int_equal(machine_file_read("/", &topology, &why), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_left_out_are_given),
		cmocka_unit_test(root_buses_follow_one_another),
		cmocka_unit_test(virtual_functions_follow_the_others),
		cmocka_unit_test(what_is_left_out_is_assumed),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(yaml_itself_is_checked),
		cmocka_unit_test(each_value_is_checked),
		cmocka_unit_test(what_does_not_belong_is_refused),
		cmocka_unit_test(addresses_that_clash_are_refused),
		cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(files_that_are_not_there_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
