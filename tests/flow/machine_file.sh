#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: machine files by way of the tool: the examples and what follows from them, and errors
# with file, line and reason.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
examples=$(realpath "$(dirname "$0")/../../examples/machines")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-machine-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

bad() {
	echo "FAIL: $*"
	failed=1
}

# holds EXAMPLE JQ-EXPRESSION: true of its JSON.
holds() {
	"$ioas" topology --from "$examples/$1.yaml" --to json >json 2>err || bad "$1: $(cat err)"
	jq -e "def f(a): .functions[] | select(.address == a); $2" json >/dev/null || bad "$1: not $2"
}

# What the examples are there to show.
holds desktop 'f("0000:02:00.0").group == f("0000:03:00.0").group'
holds desktop 'f("0000:01:00.0").group != f("0000:00:01.0").group'
holds desktop 'f("0000:01:00.0").group == f("0000:01:00.1").group'
holds desktop '.share_sets | all(.members | length == 1)'
holds desktop 'f("0000:02:00.0").model == "nvme,drive=disk.img" and .iommus[0].address_width == 39'
holds server '[f("0000:03:00.0"), f("0000:04:00.0"), f("0000:05:00.0")] | map(.group) | unique | length == 3'
holds server 'f("0000:02:01.0").group == f("0000:04:00.0").group'
holds server '[.functions[] | select(.physical == "0000:06:00.0")] | length == 4
	and .[0].address == "0000:06:02.0" and (map(.group) | unique | length == 4)'
holds server 'f("0001:81:00.0").iommu == 1 and f("0000:03:00.0").iommu == 0'
holds conventional 'f("0000:02:00.0").share_set == f("0000:02:01.0").share_set'
holds conventional 'f("0000:01:00.0").share_set != f("0000:02:01.0").share_set
	and f("0000:01:00.0").group == f("0000:02:01.0").group'
holds conventional '[f("0000:02:01.0").requesters[].rid] == ["02:01.0", "02:00.0"]'
holds conventional '[f("0000:03:00.0").requesters[] | .rid + " " + .cause]
	== ["03:00.0 own", "03:00.1 alias", "03:00.4 phantom"]'

# Written and read again, each is the same machine.
for example in "$examples"/*.yaml; do
	"$ioas" topology --from "$example" --to yaml >one.yaml || bad "$example"
	"$ioas" topology --from one.yaml --to yaml | cmp -s - one.yaml || bad "$example: not the same text"
	"$ioas" topology --from "$example" --to json >one.json
	"$ioas" topology --from one.yaml --to json | cmp -s - one.json || bad "$example: not the same machine"
done

# wrong LINE PATTERN <TEXT: refused with exit status 1 and one line on stderr.
wrong() {
	local status=0
	cat >m.yaml
	"$ioas" topology --from m.yaml >out 2>err || status=$?
	[ "$status" = 1 ] || bad "status $status for $2"
	[ "$(wc -l <err)" = 1 ] || bad "not one line: $(cat err)"
	grep -q "^ioas: m.yaml:$1: .*$2" err || bad "no \"m.yaml:$1: $2\": $(cat err)"
	[ ! -s out ] || bad "output on stdout for $2"
}

wrong 1 'nothing in it' </dev/null
wrong 3 'unexpected end of stream' <<'END'
root-buses: []
"
END
wrong 4 'unknown key "colour"' <<'END'
root-buses:
  - devices:
      - type: root-port
        colour: red
END
wrong 5 'ACS bit "xy" is none of sv, tb, rr, cr, uf, ec, dt' <<'END'
root-buses:
  - devices:
      - type: root-port
        # A comment counts as a line, too.
        acs: [sv, xy]
END
wrong 6 'one device fits below a port' <<'END'
root-buses:
  - devices:
      - type: root-port
        below:
          - name: one
          - name: two
END
wrong 5 '0000:01:00.0 is taken by line 4' <<'END'
root-buses:
  - devices:
      - {type: pci-bridge, below: [
          {at: 00.0},
          {at: 00.0}]}
END
wrong 3 'bus 05' <<'END'
root-buses:
  - devices:
      - {type: root-port, buses: "05"}
      - {type: root-port, buses: "05"}
END
wrong 2 'address-width "99" is not 0 to 64' <<'END'
iommus:
  - address-width: 99
root-buses: []
END
wrong 4 '"1.2.3" is no address such as' <<'END'
root-buses:
  - devices:
      - type: root-port
        at: 1.2.3
END

# Other sources: standard input, a file that is not there.
"$ioas" topology --from - --to yaml <"$examples/desktop.yaml" >one.yaml 2>err || bad "stdin: $(cat err)"
"$ioas" topology --from "$examples/desktop.yaml" --to yaml | cmp -s - one.yaml || bad 'stdin differs'
"$ioas" topology --from absent.yaml 2>err && bad 'an absent file'
grep -qx 'ioas: absent.yaml: No such file or directory' err || bad "absent: $(cat err)"

[ "$failed" = 0 ] && echo 'machine files are read, refused and written'
exit "$failed"
