#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The tree keeps to its own rules: who may include whom, headers that compile
# alone, licences, and a library that exports what its header declares.
use strict;
use warnings;
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};

my @files = split /\n/, `git ls-files 2>/dev/null || find . -type f -not -path './build/*' -not -path './.cache/*' -not -path './.git/*' | sed 's|^./||'`;
my @code = grep { /\.[chS]$/ } @files;
ok(@code > 50, 'the tree is there');

sub slurp { local (@ARGV, $/) = @_; my $t = <>; $t }
sub includes {
	my ($f) = @_;
	my $text = slurp($f);
	my %i = map { $_ => 1 } $text =~ /^\s*#\s*include\s+"([^"]+)"/mg;
	return sort keys %i;
}

# Arrows of the architecture.
my %in = map { $_ => 1 } @files;
sub stray {
	my ($dir, @allowed) = @_;
	my @bad;
	for my $f (grep { m{^\Q$dir\E/} } @code) {
		for my $i (includes($f)) {
			next if grep { $i =~ $_ } @allowed;
			next if $in{"$dir/$i"} || $in{($f =~ s{[^/]*$}{}r) . $i};
			push @bad, "$f includes $i";
		}
	}
	return @bad;
}
is_deeply([stray('kmod', qr{^drm\.h$})], [],
	'kmod includes nothing outside itself but the system\'s headers');
is_deeply([stray('firmware-sim', qr{^vggaccel_hw\.h$})], [],
	'firmware-sim includes the device specification and itself');
is_deeply([stray('cli', qr{^vggaccel(?:_analysis|_plan|_trace)?\.h$})], [],
	'cli sees only the public header');
# The planner reads card profiles and has the simulator's formulas.
is_deeply([grep { !m{^lib/device/sim} &&
		!m{^lib/plan/\S+ includes (?:timing|vggsim)\.h$} &&
		!m{^lib/device/drm\S* includes uapi/vggaccel_drm\.h$} } stray('lib', qr{^vggaccel_hw\.h$}, qr{^onnx\.pb-c\.h$}, qr{^vggaccel(?:_analysis|_plan|_trace)?\.h$})],
	[], 'in lib, only backends and planner know the simulator, backends the module');

# Every header compiles alone.
my @flags = qw(-std=gnu11 -D_GNU_SOURCE -fsyntax-only -Wall -Werror -x c
	-I/usr/include/libdrm -Ilib -Ilib/include -Ikmod/include -Ifirmware-sim -Ibuild/gen
	-Itests/harness -Itests -Itools/shapes);
push @flags, split ' ', `pkg-config --cflags libdrm`;
# The module's own are the kernel's language; its build compiles them.
my @alone = grep { /\.h$/ && !m{_inner\.h$} && !m{^kmod/[^/]*$} } @code;
my @broken = grep { system("gcc @flags $_ 2>/dev/null") } @alone;
is_deeply(\@broken, [], 'every header compiles alone');
# The specification with nothing but the compiler's own language, too.
is(system("gcc -std=c11 -pedantic-errors -fsyntax-only -x c kmod/include/vggaccel_hw.h"), 0,
	'the device specification is plain C11');
SKIP: {
	skip 'no C++ compiler here', 1 unless -x '/usr/bin/g++';
	is(system('g++ -fsyntax-only -x c++ lib/include/vggaccel.h'), 0,
		'the public header compiles as C++');
}

# Licences.
my @unmarked = grep { slurp($_) !~ /SPDX-License-Identifier:/ }
	grep { /\.([chS]|inc|py|t|pl)$/ || m{^(Makefile|tests/(run|check)|tools/\w+)$} } @files;
is_deeply(\@unmarked, [], 'every source names its licence');
my @gpl = grep { !m{^kmod/} && slurp($_) =~ /SPDX-License-Identifier:.*GPL/ } @code;
is_deeply(\@gpl, [], 'only kmod is GPL');

# What the header declares is what the library exports, and no more.
my %declared;
my $header = join('', map { slurp($_) } glob 'lib/include/*.h') =~ s{/\*.*?\*/}{}gsr;
$declared{$1} = 1 while $header =~ /^[^#\n]*?\b(vgg_\w+)\s*\([^;{}]*\)\s*;/mg;
delete $declared{vgg_progress};
delete $declared{vgg_verify_fn};
my %map = map { $_ => 1 } slurp('lib/libvggaccel.map') =~ /^\t(vgg_\w+);/mg;
is_deeply([sort keys %declared], [sort keys %map], 'header and version script agree');
my %exported = map { /\bT (vgg_\w+)/ ? ($1 => 1) : () }
	split /\n/, `nm -D --defined-only build/libvggaccel.so.0 | sed 's/@.*//'`;
is_deeply([sort keys %exported], [sort keys %map], 'the library exports just those');

# What can't be formatted is missing from an installation.
SKIP: {
	skip 'no scdoc here', 1 unless -x '/usr/bin/scdoc';
	is_deeply([grep { system("scdoc < $_ > /dev/null 2>&1") } grep { /\.scd$/ } @files],
		[], 'every manual page can be formatted');
}

# The manual's errors are the header's, in its order and words.
my @errors = map { "$_->[0] ($_->[1]) " . ($_->[2] =~ /^int8/ ? $_->[2] : ucfirst $_->[2]) . '.' }
	map { [/E\((\w+),\s*(\w+),\s*"([^"]*)"\)/g] } slurp('lib/include/vggaccel.h') =~
	/^(\tE\(.*)$/mg;
my $manual = slurp('lib/man/libvggaccel.3.scd') =~ s/\\_/_/gr;
my @told = map { s/\*//gr =~ s/\n\t/ /r } $manual =~ /^(\*[A-Z_]+\* \(E\w+\)\n\t.*)$/mg;
is_deeply(\@told, \@errors, 'libvggaccel(3) has all errors');

# What a machine with nothing installed sees: no pkg-config, no headers of libhdf5.
my ($plugins) = `PATH=/nonexistent /usr/bin/make -pn HDF5_H= all 2>/dev/null` =~
	/^PLUGINS := ?(.*)$/m;
is($plugins, '', 'without libhdf5 its importer is not built');

# Rules of size.
my @long = grep { (() = slurp($_) =~ /\n/g) > 800 } @code;
is_deeply(\@long, [], 'no file is longer than 800 lines');

done_testing();
