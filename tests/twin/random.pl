#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# QEMU arguments of a PCI tree that nobody thought of: the same for the same seed.
#
#   tests/twin/random.pl SEED
use strict;
use warnings;

die "usage: random.pl SEED\n" unless @ARGV == 1 && $ARGV[0] =~ /^\d{1,9}$/;
my $state = $ARGV[0] * 2654435761 % 2**31;
my ($left, $serial, $depth) = (22, 0, 0);    # SeaBIOS does not come to an end with many more devices
my @args;

# The same numbers with each version of perl. The low bits of this generator are poor.
sub below { $state = ($state * 1103515245 + 12345) % 2**31; return int($state / 2**31 * $_[0]) }
sub one_of { return $_[below(scalar @_)] }
sub percent { return below(100) < $_[0] }

# Adds a device, and returns its name, which is its bus's as well.
sub device {
	my ($kind, $bus, $place, @properties) = @_;
	my $id = 'x' . $serial++;
	$left--;
	push @args, '-device ' . join ',', $kind, "id=$id", "bus=$bus", "addr=$place", @properties;
	return $id;
}

# Calls back for each function of a slot: with its place, and what makes the device multifunction.
sub slot {
	my ($slot, $function_nr, $each) = @_;
	for my $function (0 .. $function_nr - 1) {
		last if $left <= 0;
		$each->(sprintf('0x%x.%d', $slot, $function),
			$function_nr > 1 && !$function ? 'multifunction=on' : ());
	}
}

sub endpoint {
	my ($bus, @place) = @_;
	my $kind = one_of('e1000e', 'qemu-xhci', 'virtio-rng-pci', 'nvme');
	return device($kind, $bus, @place) if $kind ne 'nvme';
	my $node = 'n' . $serial++;
	push @args, "-blockdev null-co,node-name=$node,read-zeroes=on";
	device('nvme', $bus, @place, "serial=$node", "drive=$node", percent(40) ? 'use-intel-id=on' : ());
}

sub bridge_to_conventional {
	my ($kind, $bus, @place) = @_;
	my $id = device($kind, $bus, @place, $kind eq 'pci-bridge' ? ('chassis_nr=' . (1 + $serial), 'shpc=off') : ());
	$depth++;
	for my $slot (1 .. 1 + below(3)) {
		slot($slot, one_of(1, 1, 1, 2), sub {
			if ($depth < 5 && percent(30)) {
				bridge_to_conventional(one_of('pci-bridge', 'pci-bridge', 'i82801b11-bridge'), $id, @_);
			} else {
				device(one_of('edu', 'e1000', 'rtl8139', 'pci-testdev'), $id, @_);
			}
		});
	}
	$depth--;
}

# What is on the link below a port.
sub link_below {
	my ($bus) = @_;
	return if percent(10);
	$depth++;
	slot(0, one_of(1, 1, 1, 2, 3), sub {
		my $first = $_[0] =~ /\.0$/;
		if ($first && $depth < 4 && percent(35)) {
			switch($bus, @_);
		} elsif ($depth < 5 && percent(35)) {
			bridge_to_conventional(one_of('pcie-pci-bridge', 'pcie-pci-bridge', 'i82801b11-bridge'), $bus, @_);
		} else {
			endpoint($bus, @_);
		}
	});
	$depth--;
}

sub port {
	my ($kind, $bus, @place) = @_;
	link_below(device($kind, $bus, @place, "chassis=$serial", "slot=$serial"));
}

sub switch {
	my ($bus, @place) = @_;
	my $up = device('x3130-upstream', $bus, @place);
	slot($_, one_of(1, 1, 2), sub { port('xio3130-downstream', $up, @_) }) for 0 .. below(3);
}

sub root_port {
	my ($bus, @place) = @_;
	port(one_of('pcie-root-port', 'pcie-root-port', 'ioh3420'), $bus, @place, percent(40) ? 'disable-acs=on' : ());
}

if (percent(25)) {
	my $bus = device('pxb-pcie', 'pcie.0', '0x8', 'bus_nr=128');
	slot($_, one_of(1, 2), sub { root_port($bus, @_) }) for 0 .. below(2);
}
for my $slot (0x10 .. 0x12 + below(4)) {
	slot($slot, one_of(1, 1, 2, 3), sub {
		my $what = below(100);
		return root_port('pcie.0', @_) if $what < 55;
		return endpoint('pcie.0', @_) if $what < 70;
		return device(one_of('edu', 'e1000', 'pci-testdev'), 'pcie.0', @_) if $what < 80;
		bridge_to_conventional(one_of('pci-bridge', 'i82801b11-bridge', 'pcie-pci-bridge'), 'pcie.0', @_);
	});
}
print "@args\n";
