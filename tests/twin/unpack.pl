#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A captured tree (capture.sh has its form) as files and links under ROOT, as /sys had them, for
# `ioas topology --from sysfs:ROOT`.
#
#   tests/twin/unpack.pl TREE ROOT
use strict;
use warnings;
use File::Path qw(make_path);

die "usage: unpack.pl TREE ROOT\n" unless @ARGV == 2;
my ($tree, $root) = @ARGV;
my $word = qr/[\w.:-]+/;

sub bad { die "unpack: $tree:$.: @_\n" }

sub save {
	my ($file, $bytes) = @_;
	open my $out, '>:raw', $file or die "unpack: $file: $!\n";
	print $out $bytes;
	close $out or die "unpack: $file: $!\n";
}

sub linked {
	my ($target, $name) = @_;
	symlink $target, $name or die "unpack: $name: $!\n";
}

# "cap=1 link" -> (cap => 1, link => ''), of the names that there may be.
sub words {
	my ($text, %known) = @_;
	my %value;
	for (split ' ', $text) {
		my ($name, $value) = /^([a-z]+)(?:=($word))?$/ or bad("\"$_\"");
		bad("\"$name\" is unknown") unless $known{$name};
		$value{$name} = $value // '';
	}
	return %value;
}

sub iommu {
	my ($name, $text) = @_;
	my %value = words($text, cap => 1, ecap => 1);
	my $folder = "$root/sys/devices/virtual/iommu/$name";
	make_path(%value ? "$folder/intel-iommu" : $folder);
	save("$folder/intel-iommu/$_", "$value{$_}\n") for keys %value;
}

# Returns its config space, zeros so far.
sub function {
	my ($path, $text) = @_;
	my %value = words($text, map { $_ => 1 } qw(config link driver iommu physfn));
	my ($address) = $path =~ m{([^/]+)$};
	my $up = $path =~ s{/[^/]+}{../}gr;
	bad("no length of config space") unless ($value{config} // '') =~ /^\d{1,4}$/ && $value{config} <= 4096;
	bad("$address is there twice") if -e "$root/sys$path";
	make_path("$root/sys$path");
	linked("../../..$path", "$root/sys/bus/pci/devices/$address");
	save("$root/sys$path/max_link_width", "1\n") if exists $value{link};
	linked("${up}bus/pci/drivers/$value{driver}", "$root/sys$path/driver") if $value{driver};
	linked("${up}devices/virtual/iommu/$value{iommu}", "$root/sys$path/iommu") if $value{iommu};
	linked("../$value{physfn}", "$root/sys$path/physfn") if $value{physfn};
	return "\0" x $value{config};
}

my ($path, $config);
make_path("$root/sys/bus/pci/devices");
open my $in, '<', $tree or die "unpack: $tree: $!\n";
while (<$in>) {
	next if /^#|^\s*$/;
	if (/^iommu ($word)(.*)$/) {
		iommu($1, $2);
	} elsif (m{^function ((?:/$word)+)(.*)$}) {
		save("$root/sys$path/config", $config) if $path;
		$path = $1;
		$config = function($1, $2);
	} elsif ($path && /^([0-9a-f]{3}) ((?:[0-9a-f]{2})+)$/) {
		my ($at, $bytes) = (hex $1, pack('H*', $2));
		bad("beyond the end of config space") if $at + length($bytes) > length $config;
		substr($config, $at, length $bytes) = $bytes;
	} else {
		bad("not a line of a captured tree");
	}
}
save("$root/sys$path/config", $config) if $path;
