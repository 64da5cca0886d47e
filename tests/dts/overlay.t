#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The overlays: each setting builds without a warning and bad ones are refused;
# on each rk3399 tree of Debian's kernel they do what they say and no more.
use strict;
use warnings;
use Cwd qw(getcwd);
use FindBin;
use Test::More;
BEGIN { require "$FindBin::Bin/dts.pl" }
our ($dir, $port, $phy, $card, %base);

my @boards = qw(khadas-edge roc-pc sapphire evb);
my @all = ('card', 'link', @boards);
my @lanes = (1, 2, 4);
my @speeds = (1, 2);

# The device's name is the specification's.
my %pci = slurp('kmod/include/vggaccel_hw.h') =~
	/^#define VGG_PCI_(VENDOR|DEVICE)_ID\s+0x([0-9a-f]{4})$/mg;
my $compatible = "pci$pci{VENDOR},$pci{DEVICE}";

cmp_ok(scalar(keys %base), '>=', 41, 'the rk3399 trees are there');
is_deeply([grep { has_child($base{$_}, '/', '__symbols__') } sort keys %base], [],
	'no tree has __symbols__, so overlays must say paths');
is_deeply([grep { get($base{$_}, $port, 'interrupt-map-mask') ne '0 0 0 7' }
	sort keys %base], [], '... and a bridge\'s node cannot change its interrupt');

# Settings.
my %built;
for my $lanes (@lanes) {
	for my $speed (@speeds) {
		my $to = "x$lanes.$speed";
		my ($code, $said) = make_dtbo($to, "LANES=$lanes", "SPEED=$speed");
		is($code, 0, "LANES=$lanes SPEED=$speed builds") or diag $said;
		unlike($said, qr/warning|error/i, '... without a warning');
		$built{$lanes, $speed} = "$dir/$to/dtbo";
		is_deeply([grep { !-s "$dir/$to/dtbo/vggaccel-$_.dtbo" } @all], [],
			'... all of them');
	}
}
my $default = $built{4, 1};
{
	# What armbian-add-overlay does, with another dtc.
	my @said = map { my ($code, $said) = trixie('dtc', '-@', '-I', 'dts', '-O',
		'dtb', '-o', '/dev/null', "$default/vggaccel-$_.dts");
		$code || $said ? "$_: $said" : () } @all;
	is_deeply(\@said, [], 'their .dts files build alone with a newer dtc');
}
is(scalar(() = glob("$default/*.dtbo")), scalar(@all), 'no other overlays');

for my $bad ('LANES=3', 'LANES=8', 'LANES=0', 'LANES=', 'LANES=four', 'LANES=1 2',
	'SPEED=3', 'SPEED=0', 'SPEED=5.0', 'SPEED=', 'BOARD=rockpro64', 'BOARD=',
	'PERST=', 'PERST=GPIO1_A3', 'BOARD=khadas-edge PERST=GPIO0_C0',
	'BOARD=khadas-edge PERST=GPIO5_A0', 'BOARD=khadas-edge PERST=GPIO1_A8',
	'BOARD=khadas-edge PERST=1', 'BOARD=khadas-edge PERST=GPIO1_A3 GPIO1_A4',
	'BOARD=evb PERST=GPIO3_B5', 'BOARD=card PERST=GPIO1_A3') {
	my ($code, $said) = make_dtbo('bad', split / (?=[A-Z]+=)/, $bad);
	my ($name, $value) = $bad =~ /([A-Z]+)=([^=]*)$/;
	ok($code && !glob("$dir/bad/dtbo/*.dtbo"), "$bad is refused");
	like($said, qr/\*\*\* $name='\Q$value\E'.*(one of|none)/, '... with what may be');
}
{
	my ($first) = make_dtbo('again', 'BOARD=link', 'LANES=2');
	my $before = get("$dir/again/dtbo/vggaccel-link.dtbo",
		'/fragment@0/__overlay__', 'num-lanes');
	make_dtbo('again', 'BOARD=link', 'LANES=1');
	my $after = get("$dir/again/dtbo/vggaccel-link.dtbo",
		'/fragment@0/__overlay__', 'num-lanes');
	is("$before $after", '2 1', 'another setting builds again');
}

# Describing the card: on every tree, and nothing else changes. The
# Chromebooks have a device in the card's place, as the overlay's head says.
my (@unlike, @broken, @occupied, @warned, %size);
for my $name (sort keys %base) {
	my $tree = $base{$name};
	my ($code, $said) = apply($tree, "$dir/t.dtb", "$default/vggaccel-card.dtbo");
	if ($code || $said) {
		push @broken, "$name: $said";
		next;
	}
	push @broken, "$name: no card" unless
		(get("$dir/t.dtb", $card, 'compatible') // '') eq $compatible &&
		(get("$dir/t.dtb", $card, 'reg') // '') eq '0 0 0 0 0';
	my ($more, $less) = changes($tree, "$dir/t.dtb");
	push @unlike, "$name: $_" for @$less;
	# Some have the bridge already.
	$size{$name} = @$more unless has_child($tree, $port, 'pcie@0,0');
	push @occupied, $name if children($tree, "$port/pcie\@0,0");
	my %known = map { s/^[^:]*: //r => 1 } warnings_of($tree);
	push @warned, $name if grep { !$known{s/^[^:]*: //r} }
		warnings_of("$dir/t.dtb");
}
is_deeply(\@broken, [], 'card: goes on every tree, and the card is there');
is_deeply(\@unlike, [], '... which loses nothing by it');
is_deeply([grep { !/^gru-/ } @occupied], [],
	'... no board but the Chromebooks has a device in its place');
ok(@occupied, '... and those have');
is_deeply(\@warned, \@occupied, '... dtc has nothing new to say of the others');
my %sizes = map { $_ => 1 } values %size;
is(join(' ', keys %sizes), 13, '... bridge and card, 13 lines, are all that is new');

# Another link.
for my $name (qw(rockpro64 nanopi-r4s)) {
	my ($code, $said) = apply($base{$name}, "$dir/t.dtb",
		"$built{2, 2}/vggaccel-link.dtbo");
	is(get("$dir/t.dtb", $port, 'num-lanes') . ' ' .
		get("$dir/t.dtb", $port, 'max-link-speed'), '2 2', "link: $name is x2 Gen2");
	is(get("$dir/t.dtb", $port, 'status', 's'),
		get($base{$name}, $port, 'status', 's'), '... and as on or off as before');
}

# Switching PCIe on: each board, each setting.
my %first = map { $_ => (split / /, get($base{$_}, '/', 'compatible', 's'))[0] }
	keys %base;
for my $board (@boards) {
	my $tree = $base{$board} or next;
	my $overlay = "$default/vggaccel-$board.dtbo";
	is(get($tree, $port, 'status', 's') . ' ' . get($tree, $phy, 'status', 's'),
		'disabled disabled', "$board: PCIe is off");
	for my $lanes (@lanes) {
		for my $speed (@speeds) {
			my ($code, $said) = apply($tree, "$dir/t.dtb",
				"$built{$lanes, $speed}/vggaccel-$board.dtbo");
			is("$code$said", '0', "$board: x$lanes Gen$speed goes on");
			is_deeply({map { $_->[1] . ' of ' . $_->[0] =>
				get("$dir/t.dtb", @$_) } [$port, 'status', 's'],
				[$phy, 'status', 's'], [$port, 'num-lanes'],
				[$port, 'max-link-speed'], [$card, 'compatible']},
				{"status of $port" => 'okay', "status of $phy" => 'okay',
				"num-lanes of $port" => $lanes,
				"max-link-speed of $port" => $speed,
				"compatible of $card" => $compatible},
				'... PCIe is on, the card is there');
			my (undef, $less) = changes($tree, "$dir/t.dtb");
			is_deeply([grep { !/^(status = "disabled"|max-link-speed = |num-lanes = )/ }
				@$less], [], '... nothing else has changed');
			is_deeply([map { s/^[^:]*: //r } warnings_of("$dir/t.dtb")],
				[map { s/^[^:]*: //r } warnings_of($tree)],
				'... and dtc has nothing new to say');
		}
	}
	# It is this board's: its first name is that of one tree only.
	my ($name) = split / /, get($overlay, '/', 'compatible', 's');
	is_deeply([grep { $first{$_} eq $name } sort keys %first], [$board],
		"$board: the overlay names this board alone");
	# Order and number don't matter.
	apply($tree, "$dir/once.dtb", $overlay);
	apply($tree, "$dir/t.dtb", $overlay, $overlay);
	is(text("$dir/t.dtb"), text("$dir/once.dtb"), '... twice is as good as once');
	apply($tree, "$dir/t.dtb", "$default/vggaccel-card.dtbo", $overlay);
	is(text("$dir/t.dtb"), text("$dir/once.dtb"), '... behind card, too');
	apply($tree, "$dir/t.dtb", $overlay, "$default/vggaccel-card.dtbo");
	is(text("$dir/t.dtb"), text("$dir/once.dtb"), '... and before it');
}
is_deeply([map { $_->[0] } grep { defined $_->[1] }
	map { [$_, get($base{$_}, $port, 'ep-gpios')] } @boards], ['evb'],
	'only the evaluation board has a reset GPIO in its tree');

# The reset pin: the banks are right if they are those that the makers' own
# trees of these boards use. (The evaluation board's pin is as its head says.)
for my $known (['khadas-edge', 'GPIO1_A3', 'khadas-edge-captain'],
	['roc-pc', 'GPIO4_D1', 'roc-pc-mezzanine'],
	['sapphire', 'GPIO2_A4', 'sapphire-excavator'],
	['khadas-edge', 'GPIO0_B7'], ['roc-pc', 'GPIO3_C0'], ['sapphire', 'GPIO4_D7']) {
	my ($board, $pin, $peer) = @$known;
	my ($code, $said) = make_dtbo('perst', "BOARD=$board", "PERST=$pin");
	my $tree = $base{$board};
	apply($tree, "$dir/t.dtb", "$dir/perst/dtbo/vggaccel-$board.dtbo");
	my ($bank) = grep { has_child("$dir/t.dtb", "/pinctrl/$_", 'pcie-perst-hog') }
		grep { /^gpio@/ } children("$dir/t.dtb", '/pinctrl');
	my $hog = '/pinctrl/' . ($bank // '?') . '/pcie-perst-hog';
	my ($n, $letter, $digit) = $pin =~ /^GPIO(\d)_([A-D])(\d)$/;
	my $number = (ord($letter) - ord('A')) * 8 + $digit;
	is(get("$dir/t.dtb", $hog, 'gpios') // '', "$number 0", "PERST=$pin on $board");
	is($bank, get("$dir/t.dtb", '/aliases', "gpio$n", 's') =~ s{.*/}{}r,
		'... is in the bank that the tree numbers so');
	ok(defined get("$dir/t.dtb", $hog, 'output-high') &&
		defined get("$dir/t.dtb", $hog, 'gpio-hog'), '... and driven high');
	like(slurp("dts/vggaccel-$board.dtso"), qr/\b$pin\b/,
		'... which the head names') if $peer;
	is(gpio($base{$peer}, get($base{$peer}, $port, 'ep-gpios')),
		"/pinctrl/$bank $number", "... and $peer has") if $peer;
}
is(gpio($base{evb}, get($base{evb}, $port, 'ep-gpios')),
	'/pinctrl/gpio@ff788000 13', 'evb: its tree has GPIO3_B5, as its head says');

# Wrong trees.
for my $name (qw(rk3328-rock64 rk3568-rock-3a rk3588-rock-5b)) {
	my ($tree) = map { s{[^/]*$}{$name.dtb}r } $base{evb};
	for my $overlay ('card', 'link', 'evb') {
		unlink "$dir/t.dtb";
		my ($code, $said) = apply($tree, "$dir/t.dtb",
			"$default/vggaccel-$overlay.dtbo");
		like($said, qr/FDT_ERR_NOTFOUND/, "$overlay is refused on $name");
		ok($code && !-e "$dir/t.dtb", '... and writes nothing');
	}
}
{
	# Another board than the overlay's: its reset and supplies stay.
	apply($base{rockpro64}, "$dir/t.dtb", "$default/vggaccel-roc-pc.dtbo");
	my (undef, $less) = changes($base{rockpro64}, "$dir/t.dtb");
	is_deeply($less, [], 'roc-pc on rockpro64, x4 Gen1 both, takes nothing away');
}

# A label is found nowhere.
my $label = compile('label', '&pcie0 { num-lanes = <2>; };');
for my $name (@boards, 'rockpro64') {
	unlink "$dir/t.dtb";
	my ($code, $said) = apply($base{$name}, "$dir/t.dtb", $label);
	like($said, qr/FDT_ERR_NOTFOUND/, "&pcie0 is refused on $name");
	ok($code && !-e "$dir/t.dtb", '... and writes nothing');
}

# Installing.
{
	my $top = getcwd();
	my ($code, $said) = run('make', '-C', 'dts', "O=$top/$dir/install",
		"DESTDIR=$top/$dir/root", 'PREFIX=/usr', 'install');
	my @there = map { basename($_) } glob("$dir/root/usr/share/vggaccel/dtbo/*");
	is_deeply([sort @there], [sort map { ("vggaccel-$_.dtbo", "vggaccel-$_.dts") }
		@all], 'make install puts them in place') or diag $said;
}

done_testing();
