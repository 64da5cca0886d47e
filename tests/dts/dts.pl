# SPDX-License-Identifier: MIT
# What the device tree tests share: Debian's rk3399 trees, and the tools as
# functions. Everything is done in a folder of its own below build/, which the
# Debian trixie in .cache (with newer tools than the machine's) sees as well.
use strict;
use warnings;
use File::Basename qw(basename);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL LANES SPEED PERST BOARD)};
make_path('build');
our $dir = tempdir('dts-test-XXXXXX', DIR => 'build', CLEANUP => 1);
our $port = '/pcie@f8000000';
our $phy = '/syscon@ff770000/pcie-phy';
our $card = "$port/pcie\@0,0/npu\@0,0";
our %base = map { basename($_) =~ s/^rk3399-?(.*)\.dtb$/$1/r => $_ } glob(
	'.cache/kernels/image-6.12-arm64/usr/lib/linux-image-*/rockchip/rk3399*.dtb');
BAIL_OUT('no device trees in .cache; run tests/dts/fetch') unless %base;

sub slurp { local (@ARGV, $/) = @_; my $t = <>; $t }
sub spew {
	my ($file, $text) = @_;
	open my $f, '>', $file or die "$file: $!";
	print $f $text;
	close $f or die "$file: $!";
	return $file;
}

# Runs a command; gives its exit code and all that it said.
sub run {
	my $pid = open my $pipe, '-|';
	die "fork: $!" unless defined $pid;
	if (!$pid) {
		open STDERR, '>&', \*STDOUT;
		exec { $_[0] } @_ or die "$_[0]: $!\n";
	}
	my $said = do { local $/; <$pipe> } // '';
	close $pipe;
	return ($? >> 8 || $? & 127, $said);
}

# The same in the Debian trixie.
sub trixie { return run('tools/trixie', '.cache/trixie', @_) }

# A command that must work; gives what it said.
sub must {
	my ($code, $said) = run(@_);
	die "@_: exit code $code\n$said" if $code;
	return $said;
}

# Builds overlays as users do; gives exit code and words.
sub make_dtbo {
	my ($to, @settings) = @_;
	return run('make', 'dtbo', "B=$dir/$to", @settings);
}

# Compiles one overlay given as text.
sub compile {
	my ($name, $text) = @_;
	spew("$dir/$name.dts", "/dts-v1/;\n/plugin/;\n$text");
	must('dtc', '-q', '-I', 'dts', '-O', 'dtb', '-o', "$dir/$name.dtbo",
		"$dir/$name.dts");
	return "$dir/$name.dtbo";
}

# Applies overlays; gives exit code and words.
sub apply {
	my ($tree, $to, @overlays) = @_;
	return run('fdtoverlay', '-i', $tree, '-o', $to, @overlays);
}

# A property, or undef; a type like 's' for strings.
sub get {
	my ($tree, $node, $name, $type) = @_;
	my ($code, $said) = run('fdtget', ($type ? ('-t', $type) : ()), $tree,
		$node, $name);
	chomp $said;
	return $code ? undef : $said;
}

sub children {
	my ($tree, $node) = @_;
	my ($code, $said) = run('fdtget', '-l', $tree, $node);
	return $code ? () : split /\n/, $said;
}

sub has_child {
	my ($tree, $node, $name) = @_;
	return scalar grep { $_ eq $name } children($tree, $node);
}

# A tree as sorted text, so that two can be compared.
sub text { return must('dtc', '-q', '-s', '-I', 'dtb', '-O', 'dts', $_[0]) }

# The lines that $to has more than $from, and those it has less.
sub changes {
	my ($from, $to) = @_;
	my @t = map { spew("$dir/diff.$_->[0]", text($_->[1])) }
		['a', $from], ['b', $to];
	my ($code, $said) = run('diff', @t);
	die $said if $code > 1;
	return ([map { /^> \s*(.*)/ ? $1 : () } split /\n/, $said],
		[map { /^< \s*(.*)/ ? $1 : () } split /\n/, $said]);
}

# What dtc has to say about a tree.
sub warnings_of {
	my ($tree) = @_;
	my ($code, $said) = run('dtc', '-I', 'dtb', '-O', 'dtb', '-o', '/dev/null',
		$tree);
	return grep { /\S/ } split /\n/, $said;
}

# A GPIO like "26 3 0" as bank and pin: "/pinctrl/gpio@ff730000 3".
sub gpio {
	my ($tree, $cells) = @_;
	my ($phandle, $pin) = split / /, $cells // return;
	for my $bank (grep { /^gpio@/ } children($tree, '/pinctrl')) {
		my $p = get($tree, "/pinctrl/$bank", 'phandle') // next;
		return "/pinctrl/$bank $pin" if $p == $phandle;
	}
	return;
}

1;
