#!/bin/bash
# SPDX-License-Identifier: MIT
# oracle.sh - a real Linux iommufd in a QEMU/TCG guest, built from Debian 12's
# linux-source-6.12.  Needs no KVM, no IOMMU, no modules and no disk image.
#
#   oracle.sh build                build everything that is missing or stale
#   oracle.sh run HOSTDIR CMD...   boot; share HOSTDIR read-write as /host (9p);
#                                  run CMD with sh in /host; exit with its status
#   oracle.sh selftest [TAPFILE]   the kernel's iommufd selftests, TAP to TAPFILE
#   oracle.sh bench [OUTFILE]      ioasbench in the guest, output to OUTFILE
#   oracle.sh deps                 apt-get install what build and run need (root)
#   oracle.sh clean                remove what build made (not the .deb)
#
# Environment
#   ORACLE_DIR        where everything is kept             (default: kernel-oracle in the user cache)
#   ORACLE_SRC        kernel tree to use     (default $ORACLE_DIR/linux-source-6.12)
#   ORACLE_FLAVOR     test = IOMMUFD_TEST + fault injection             (default)
#                     perf = without either: for timing
#                     container = as test, with VFIO's own container (TYPE1) in place of iommufd's
#   ORACLE_IOMMU      intel (default) | intel-sm (scalable mode) | virtio | amd | none
#   ORACLE_IOMMU_OPTS more properties, e.g. aw-bits=48
#   ORACLE_BIND       vendor:device list given to vfio-pci in the guest, - for none
#                     (default 1234:11e8,1b36:0010 = QEMU's edu and nvme)
#   ORACLE_MEM (4G)   ORACLE_SMP (2)   ORACLE_TIMEOUT seconds (900)   ORACLE_JOBS (nproc)
#   ORACLE_HUGEPAGES  2 MiB hugetlb pages reserved at boot (default 0)
#   ORACLE_APPEND     more kernel command line;  ORACLE_QEMU  more qemu arguments
#   ORACLE_VERBOSE=1  also show the guest's console on stderr
set -euo pipefail

HERE=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
ORACLE_DIR=${ORACLE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/kernel-oracle}
mkdir -p "$ORACLE_DIR"
ORACLE_DIR=$(cd "$ORACLE_DIR" && pwd)
PKG=linux-source-6.12
SRC=${ORACLE_SRC:-$ORACLE_DIR/$PKG}
FLAVOR=${ORACLE_FLAVOR:-test}
case $FLAVOR in
test) BUILD=$ORACLE_DIR/build ;;
perf | container) BUILD=$ORACLE_DIR/build-$FLAVOR ;;
*) echo "ORACLE_FLAVOR must be test, perf or container" >&2; exit 2 ;;
esac
KERNEL=$BUILD/arch/x86/boot/bzImage
UAPI=$ORACLE_DIR/uapi
GUEST=$ORACLE_DIR/guest
INITRD=$ORACLE_DIR/initrd.gz
JOBS=${ORACLE_JOBS:-$(nproc)}
DEPS="gcc libc6-dev make flex bison bc libelf-dev libssl-dev rsync xz-utils cpio busybox-static qemu-system-x86"

say() { echo "oracle: $*" >&2; }
die() { say "$*"; exit 125; }

# ---------------------------------------------------------------------- deps
missing_deps() {
	local p
	for p in $DEPS; do
		dpkg-query -W -f='${Status}\n' "$p" 2>/dev/null |
			grep -q 'ok installed' || echo "$p"
	done
}
deps() {
	local m
	m=$(missing_deps)
	[ -n "$m" ] || return 0
	[ "$(id -u)" = 0 ] || die "missing packages, install as root: apt-get install" $m
	say "installing:" $m
	apt-get update -q >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $m >&2
}

# -------------------------------------------------------------------- config
# Merged over tinyconfig; "# CONFIG_X is not set" lines count too.
config_fragment() {
	cat <<'EOF'
CONFIG_64BIT=y
# CONFIG_LOCALVERSION_AUTO is not set
# -- image / compiler
# CONFIG_KERNEL_XZ is not set
CONFIG_KERNEL_GZIP=y
# CONFIG_CC_OPTIMIZE_FOR_SIZE is not set
CONFIG_CC_OPTIMIZE_FOR_PERFORMANCE=y
# CONFIG_SLUB_TINY is not set
# CONFIG_BASE_SMALL is not set
CONFIG_PREEMPT_VOLUNTARY=y
# CONFIG_CPU_MITIGATIONS is not set
# CONFIG_UNWINDER_GUESS is not set
CONFIG_UNWINDER_FRAME_POINTER=y
# -- core
CONFIG_SMP=y
CONFIG_NR_CPUS=8
CONFIG_X86_X2APIC=y
CONFIG_PRINTK=y
CONFIG_PRINTK_TIME=y
CONFIG_EARLY_PRINTK=y
CONFIG_BUG=y
CONFIG_KALLSYMS=y
CONFIG_IKCONFIG=y
CONFIG_IKCONFIG_PROC=y
CONFIG_HIGH_RES_TIMERS=y
CONFIG_NO_HZ_IDLE=y
CONFIG_HPET_TIMER=y
CONFIG_MULTIUSER=y
CONFIG_FUTEX=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_SIGNALFD=y
CONFIG_TIMERFD=y
CONFIG_POSIX_TIMERS=y
CONFIG_AIO=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_MEMBARRIER=y
CONFIG_RSEQ=y
CONFIG_CROSS_MEMORY_ATTACH=y
CONFIG_SYSVIPC=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_RD_GZIP=y
# -- console
CONFIG_TTY=y
CONFIG_UNIX98_PTYS=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_SERIAL_8250_NR_UARTS=4
CONFIG_SERIAL_8250_RUNTIME_UARTS=4
CONFIG_DEVMEM=y
CONFIG_DEVPORT=y
# -- filesystems / memory
CONFIG_PROC_FS=y
CONFIG_PROC_SYSCTL=y
CONFIG_PROC_PAGE_MONITOR=y
CONFIG_SYSFS=y
CONFIG_DEVTMPFS=y
CONFIG_SHMEM=y
CONFIG_TMPFS=y
CONFIG_MEMFD_CREATE=y
CONFIG_HUGETLBFS=y
CONFIG_TRANSPARENT_HUGEPAGE=y
CONFIG_TRANSPARENT_HUGEPAGE_ALWAYS=y
CONFIG_COMPACTION=y
CONFIG_MIGRATION=y
# -- PCI / ACPI
CONFIG_PCI=y
CONFIG_PCI_MSI=y
CONFIG_PCI_IOV=y
CONFIG_PCIEPORTBUS=y
CONFIG_ACPI=y
CONFIG_PM=y
# -- IOMMU
CONFIG_IOMMU_SUPPORT=y
CONFIG_IOMMU_DEBUGFS=y
CONFIG_INTEL_IOMMU=y
CONFIG_INTEL_IOMMU_SVM=y
CONFIG_INTEL_IOMMU_DEFAULT_ON=y
CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON=y
CONFIG_INTEL_IOMMU_DEBUGFS=y
CONFIG_AMD_IOMMU=y
CONFIG_IRQ_REMAP=y
CONFIG_VIRTIO_MENU=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_IOMMU=y
CONFIG_IOMMUFD=y
CONFIG_IOMMUFD_VFIO_CONTAINER=y
CONFIG_VFIO=y
CONFIG_VFIO_DEVICE_CDEV=y
CONFIG_VFIO_GROUP=y
# CONFIG_VFIO_CONTAINER is not set
CONFIG_VFIO_PCI=y
# -- block / net (9p transport only)
CONFIG_BLOCK=y
CONFIG_BLK_DEV=y
CONFIG_BLK_DEV_NVME=y
CONFIG_NET=y
CONFIG_UNIX=y
CONFIG_NET_9P=y
CONFIG_NET_9P_VIRTIO=y
CONFIG_NETWORK_FILESYSTEMS=y
CONFIG_9P_FS=y
CONFIG_DEBUG_KERNEL=y
CONFIG_DEBUG_FS=y
CONFIG_PANIC_TIMEOUT=-1
# -- defaults that only cost build time
# CONFIG_INET is not set
# CONFIG_WIRELESS is not set
# CONFIG_ETHTOOL_NETLINK is not set
# CONFIG_INPUT is not set
# CONFIG_SERIO is not set
# CONFIG_VT is not set
# CONFIG_HID_SUPPORT is not set
# CONFIG_USB_SUPPORT is not set
# CONFIG_INTEL_MEI is not set
# CONFIG_ACPI_AC is not set
# CONFIG_ACPI_BATTERY is not set
# CONFIG_ACPI_FAN is not set
# CONFIG_ACPI_THERMAL is not set
# CONFIG_RD_BZIP2 is not set
# CONFIG_RD_LZMA is not set
# CONFIG_RD_XZ is not set
# CONFIG_RD_LZO is not set
# CONFIG_RD_LZ4 is not set
# CONFIG_RD_ZSTD is not set
# CONFIG_LEGACY_PTYS is not set
# CONFIG_SWAP is not set
# CONFIG_VGA_ARB is not set
# CONFIG_VFIO_PCI_IGD is not set
# CONFIG_SERIAL_8250_EXAR is not set
# CONFIG_SERIAL_8250_LPSS is not set
# CONFIG_SERIAL_8250_MID is not set
# CONFIG_SERIAL_8250_PERICOM is not set
# CONFIG_MQ_IOSCHED_DEADLINE is not set
# CONFIG_MQ_IOSCHED_KYBER is not set
EOF
	if [ "$FLAVOR" != perf ]; then cat <<'EOF'
# -- what the iommufd selftest needs
CONFIG_LOCALVERSION="-oracle"
CONFIG_RUNTIME_TESTING_MENU=y
CONFIG_FAULT_INJECTION=y
CONFIG_FAULT_INJECTION_DEBUG_FS=y
CONFIG_FAILSLAB=y
CONFIG_FAIL_PAGE_ALLOC=y
CONFIG_IOMMUFD_TEST=y
EOF
	else cat <<'EOF'
CONFIG_LOCALVERSION="-oracle-perf"
# CONFIG_FAULT_INJECTION is not set
EOF
	fi
}

# There is one /dev/vfio/vfio: whose?
config_of_flavor() {
	if [ "$FLAVOR" = container ]; then
		config_fragment | sed 's/^# CONFIG_VFIO_CONTAINER is not set$/CONFIG_VFIO_CONTAINER=y/
			s/^CONFIG_IOMMUFD_VFIO_CONTAINER=y$/CONFIG_VFIO_IOMMU_TYPE1=y/'
	else
		config_fragment
	fi
}

# -------------------------------------------------------------------- source
fetch_source() {
	[ -f "$SRC/Makefile" ] && return 0
	[ -z "${ORACLE_SRC:-}" ] || die "no kernel tree in ORACLE_SRC=$SRC"
	local deb t0=$SECONDS
	deb=$(ls "$ORACLE_DIR"/${PKG}_*.deb 2>/dev/null | tail -1 || true)
	if [ -z "$deb" ]; then
		say "downloading $PKG"
		(cd "$ORACLE_DIR" && apt-get download -q $PKG >&2)
		deb=$(ls "$ORACLE_DIR"/${PKG}_*.deb | tail -1)
	fi
	say "unpacking $deb"
	rm -rf "$SRC.part"
	mkdir "$SRC.part"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/src/$PKG.tar.xz |
		tar -xJ --strip-components=1 -C "$SRC.part"
	mv "$SRC.part" "$SRC"
	say "unpacked in $((SECONDS - t0)) s"
}

kmake() { nice -n 5 make -C "$SRC" O="$BUILD" ARCH=x86_64 "$@"; }

build_kernel() {
	local t0=$SECONDS l k bad=0
	mkdir -p "$BUILD"
	config_of_flavor >"$BUILD/oracle.config.new"
	if ! cmp -s "$BUILD/oracle.config.new" "$BUILD/oracle.config" || [ ! -f "$BUILD/.config" ]; then
		say "configuring ($FLAVOR)"
		kmake -s tinyconfig >/dev/null
		cat "$BUILD/oracle.config.new" >>"$BUILD/.config"
		kmake -s olddefconfig >"$BUILD/config.log" 2>&1
		while read -r l; do
			case $l in
			CONFIG_*) grep -qxF -- "$l" "$BUILD/.config" || { say "config not honoured: $l"; bad=1; } ;;
			"# CONFIG_"*" is not set")
				k=${l#\# }; k=${k%% *}
				! grep -q "^$k=" "$BUILD/.config" || { say "config not honoured: $l"; bad=1; } ;;
			esac
		done <"$BUILD/oracle.config.new"
		[ $bad = 0 ] || die "the kernel configuration is not the intended one"
		mv "$BUILD/oracle.config.new" "$BUILD/oracle.config"
	fi
	rm -f "$BUILD/oracle.config.new"
	say "building the kernel ($FLAVOR), log in $BUILD/build.log"
	kmake -j"$JOBS" bzImage >"$BUILD/build.log" 2>&1 ||
		{ tail -20 "$BUILD/build.log" >&2; die "kernel build failed"; }
	say "kernel ($FLAVOR): $((SECONDS - t0)) s, $(stat -c %s "$KERNEL") bytes"
}

build_uapi() {
	[ -f "$UAPI/include/linux/iommufd.h" ] && return 0
	kmake -s headers_install INSTALL_HDR_PATH="$UAPI" >"$BUILD/headers.log" 2>&1 ||
		{ tail -20 "$BUILD/headers.log" >&2; die "headers_install failed"; }
}

# The selftest sources of 6.12-stable are newer than its uapi and test headers:
# give the names that are missing a value, and only those.
selftest_cflags() {
	local u=$UAPI/include/linux/iommufd.h t=$SRC/drivers/iommu/iommufd/iommufd_test.h
	grep -q in_data_type "$u" || echo -Din_data_type=out_data_type
	grep -q IOMMU_HW_INFO_FLAG_INPUT_TYPE "$u" || echo -DIOMMU_HW_INFO_FLAG_INPUT_TYPE=1
	grep -q IOMMU_HW_INFO_TYPE_DEFAULT "$u" || echo -DIOMMU_HW_INFO_TYPE_DEFAULT=0
	# no PASID-capable mock device in this kernel: a plain one, width 0
	grep -q MOCK_FLAGS_DEVICE_PASID "$t" || echo -DMOCK_FLAGS_DEVICE_PASID=0
	grep -q MOCK_PASID_WIDTH "$t" || echo -DMOCK_PASID_WIDTH=0
}

build_guest() {
	local d=$SRC/tools/testing/selftests/iommu t
	mkdir -p "$GUEST"
	for t in iommufd iommufd_fail_nth; do
		[ "$GUEST/$t" -nt "$d/$t.c" ] && continue
		gcc -O2 -static -Wall -Wno-unused-function -Wno-unused-result -D_GNU_SOURCE= \
			$(selftest_cflags) -isystem "$UAPI/include" \
			-o "$GUEST/$t" "$d/$t.c" || die "cannot build the selftest $t"
	done
	t=$HERE/../../bench/ioasbench
	if [ ! -f "$GUEST/ioasbench" ] || [ -n "$(find "$t" -newer "$GUEST/ioasbench")" ]; then
		gcc -O2 -Wall -static -I"$HERE/../../include" -o "$GUEST/ioasbench" "$t"/*.c ||
			die "cannot build ioasbench"
	fi
}

# -------------------------------------------------------------------- initrd
guest_init() {
	cat <<'EOF'
#!/bin/busybox sh
export PATH=/bin HOME=/ TERM=dumb
/bin/busybox mkdir -p /proc /sys /dev /tmp /host /ctl
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
mkdir -p /dev/pts /dev/shm /dev/hugepages
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs shm /dev/shm
mount -t hugetlbfs hugetlbfs /dev/hugepages
mount -t debugfs debugfs /sys/kernel/debug
ulimit -l unlimited
o=trans=virtio,version=9p2000.L,msize=524288,cache=mmap
mount -t 9p -o $o host /host || echo "oracle-init: cannot mount the host directory"
mount -t 9p -o trans=virtio,version=9p2000.L ctl /ctl || { echo "oracle-init: no ctl"; poweroff -f; }
bind=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^oracle\.bind=//p' | tr , ' ')
for id in $bind; do
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat $d/vendor):$(cat $d/device)" = "0x${id%:*}:0x${id#*:}" ] || continue
		n=${d##*/}
		echo vfio-pci >$d/driver_override
		[ -e $d/driver ] && echo $n >$d/driver/unbind
		echo $n >/sys/bus/pci/drivers_probe
		echo "oracle-init: $n ($id) -> $(basename "$(readlink $d/driver)") $(ls $d/vfio-dev 2>/dev/null) group $(basename "$(readlink $d/iommu_group)")"
	done
done
stty -F /dev/ttyS1 raw -echo 2>/dev/null
echo "oracle-init: up after $(cut -d' ' -f1 /proc/uptime) s"
cd /host
setsid sh /ctl/cmd </dev/null >/dev/ttyS1 2>&1
rc=$?
cd /
stty -F /dev/ttyS1 raw 2>/dev/null	# waits for the output to drain
umount /host
echo $rc >/ctl/rc
echo "oracle-init: command exit status $rc"
sync
umount /ctl
poweroff -f
EOF
}

build_initrd() {
	local t
	t=$(mktemp -d)
	mkdir -p "$t/bin" "$t/dev"
	cp "$(command -v busybox)" "$t/bin/busybox"
	guest_init >"$t/init"
	chmod 755 "$t/init" "$t/bin/busybox"
	(cd "$t" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1n >"$1"
	rm -rf "$t"
}

# One at a time: two builds in one folder ruin both.
build() {
	deps
	exec {lock}>"$ORACLE_DIR/lock"
	flock "$lock"
	fetch_source
	build_kernel
	build_uapi
	build_guest
	build_initrd "$INITRD"
	exec {lock}>&-
	say "ready in $ORACLE_DIR"
}

# ----------------------------------------------------------------------- run
run() {
	[ $# -ge 2 ] || die "usage: oracle.sh run HOSTDIR CMD..."
	[ -f "$KERNEL" ] || die "no kernel yet: oracle.sh build"
	local host tmp rc=0 append opts=${ORACLE_IOMMU_OPTS:+,$ORACLE_IOMMU_OPTS} iommu=() q bind
	host=$(cd "$1" && pwd) || die "no directory $1"
	case $host in *,*) die "no comma allowed in $host" ;; esac
	shift
	tmp=$(mktemp -d)
	trap "rm -rf '$tmp'" EXIT
	mkdir "$tmp/ctl"
	if [ $# = 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; echo; fi >"$tmp/ctl/cmd"
	truncate -s 64M "$tmp/nvme.img"
	build_initrd "$tmp/initrd.gz"	# own copy: runs may overlap

	bind=${ORACLE_BIND:-1234:11e8,1b36:0010}
	append="console=ttyS0 loglevel=5 panic=-1 tsc=reliable oracle.bind=$bind"
	append+=" hugepages=${ORACLE_HUGEPAGES:-0}"
	case ${ORACLE_IOMMU:-intel} in
	intel) iommu=(-device "intel-iommu,intremap=on$opts"); append+=" intel_iommu=on" ;;
	intel-sm) iommu=(-device "intel-iommu,intremap=on,x-scalable-mode=on$opts"); append+=" intel_iommu=on,sm_on" ;;
	amd) iommu=(-device "amd-iommu,intremap=on$opts"); append+=" iommufd.allow_unsafe_interrupts=1" ;;
	virtio) iommu=(-device "virtio-iommu-pci$opts"); append+=" iommufd.allow_unsafe_interrupts=1" ;;
	none) ;;
	*) die "unknown ORACLE_IOMMU=$ORACLE_IOMMU" ;;
	esac
	append+=" ${ORACLE_APPEND:-}"

	q=(qemu-system-x86_64 -nodefaults -no-reboot -display none
		-accel tcg,thread=multi -cpu max -machine q35,kernel-irqchip=split
		-m "${ORACLE_MEM:-4G}" -smp "${ORACLE_SMP:-2}"
		"${iommu[@]}"
		-device edu
		-drive "if=none,id=nv0,format=raw,file=$tmp/nvme.img"
		-device nvme,drive=nv0,serial=oracle
		-virtfs "local,path=$host,mount_tag=host,security_model=none,multidevs=remap"
		-virtfs "local,path=$tmp/ctl,mount_tag=ctl,security_model=none"
		-serial "file:$tmp/console"
		-chardev stdio,id=out,signal=off -serial chardev:out
		-kernel "$KERNEL" -initrd "$tmp/initrd.gz" -append "$append")
	# shellcheck disable=SC2206
	q+=(${ORACLE_QEMU:-})
	timeout -k 5 "${ORACLE_TIMEOUT:-900}" "${q[@]}" </dev/null || rc=$?
	cp "$tmp/console" "$ORACLE_DIR/console.log" 2>/dev/null || true
	[ -z "${ORACLE_VERBOSE:-}" ] || cat "$tmp/console" >&2
	if [ -s "$tmp/ctl/rc" ]; then
		return "$(cat "$tmp/ctl/rc")"
	fi
	tail -25 "$tmp/console" >&2 || true
	say "the guest did not finish (qemu status $rc); console in $ORACLE_DIR/console.log"
	return 125
}

selftest() {
	local out=${1:-$ORACLE_DIR/selftest-6.12-kernel.tap} rc=0
	# Not beside intel-iommu or amd-iommu: 6.12 looks iommu_ops up by fwnode, the
	# mock devices have none, and the first registered IOMMU without a fwnode is
	# then the real one, so every mock device fails with EINVAL.
	ORACLE_IOMMU=${ORACLE_IOMMU:-none} \
	ORACLE_HUGEPAGES=${ORACLE_HUGEPAGES:-256} ORACLE_TIMEOUT=${ORACLE_TIMEOUT:-3600} \
		run "$GUEST" 'uname -r; for t in iommufd iommufd_fail_nth; do echo "# === $t"; ./$t; echo "# === $t exit $?"; done;
dmesg | grep -cE "WARNING:|BUG:|Oops" | sed "s/^/# kernel splats: /"' >"$out" || rc=$?
	awk '/^# ===.*exit/ { next } /^# === / { t = $3 } /^ok .*# SKIP/ { s[t]++; next } /^ok / { p[t]++ } /^not ok / { f[t]++; print "FAILED: " $0 }
		END { for (t in p) printf "%s: pass %d fail %d skip %d\n", t, p[t], f[t], s[t] }' "$out"
	grep '^# kernel splats' "$out" || true
	return $rc
}

bench() {
	run "$GUEST" ./ioasbench | tee "${1:-$ORACLE_DIR/bench-kernel.txt}"
}

case ${1:-} in
deps) deps ;;
build) build ;;
run) shift; run "$@" ;;
selftest) shift; selftest "$@" ;;
bench) shift; bench "$@" ;;
clean) rm -rf "$ORACLE_DIR"/{build,build-perf,build-container,uapi,guest,initrd.gz,console.log,$PKG} ;;
*) sed -n '2,/^set -/p' "$0" | sed '$d;s/^# \{0,1\}//'; exit 2 ;;
esac
