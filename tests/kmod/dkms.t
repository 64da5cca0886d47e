#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# DKMS with what "make dkms" lays out: builds and installs it for Debian's
# kernel; one that does not build leaves nothing behind and says so.
use strict;
use warnings;
use Cwd qw(getcwd);
use File::Find;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};
my $top = getcwd();
make_path('build');
# Below the project's folder, which is what trixie sees of this machine.
my $dir = tempdir("$top/build/dkms-XXXXXX");
my $root = "$top/tools/trixie --root $top/.cache/trixie";
END { system("$root rm -rf $dir") if $dir }

my $arch = `dpkg --print-architecture` =~ s/\s//r;
my ($headers) = map { chomp; "$top/$_" } `tools/kernels 6.12-$arch`;
my $kernel = `cat $headers/release` =~ s/\s//r;
my ($version) = `cat Makefile` =~ /^VERSION\s*:=\s*(\S+)/m;
my $trees = "--dkmstree $dir/dkms --sourcetree $dir/usr/src --installtree $dir/modules";
my $module = "-m vggaccel -v $version -k $kernel --kernelsourcedir $headers/build";

sub dkms {
	my ($command) = @_;
	my $said = `$root dkms $command $trees 2>&1`;
	return ($?, $said);
}

sub modules_below {
	my ($folder) = @_;
	my @found;
	find({ no_chdir => 1, wanted => sub {
		push @found, $_ if -f && /\.ko/ } }, $folder) if -d $folder;
	return @found;
}

is(system("make -s dkms DESTDIR=$dir >/dev/null"), 0, 'make dkms lays out the sources');
ok(-f "$dir/usr/src/vggaccel-$version/$_", "... with $_")
	for qw(Kbuild dkms.conf kmod/vgg_drv.c kmod/include/vggaccel_hw.h);
# A kernel is there if it has a folder of modules.
make_path("$dir/dkms", "$dir/modules/$kernel");

my ($status, $said) = dkms("add -m vggaccel -v $version");
is($status, 0, 'dkms add') or diag($said);
($status, $said) = dkms("install $module --no-depmod");
is($status, 0, 'dkms build and install') or diag($said);
unlike($said, qr/deprecated|warning:/i, 'without a complaint') or diag($said);
my @installed = modules_below("$dir/modules");
is(scalar @installed, 1, 'one module is installed');
like($installed[0] // '', qr{/updates/dkms/vggaccel\.ko}, '... as an update');
($status, $said) = dkms("status -m vggaccel");
like($said, qr/vggaccel.*\Q$kernel\E.*installed/, 'dkms says so');
($status, $said) = dkms("remove -m vggaccel -v $version --all --no-depmod");
is($status, 0, 'dkms remove') or diag($said);
is_deeply([modules_below("$dir/modules")], [], '... leaves no module');

# A kernel whose interfaces have changed.
open my $f, '>>', "$dir/usr/src/vggaccel-$version/kmod/vgg_drv.c" or die;
print $f "#error this kernel is too new\n";
close $f;
($status, $said) = dkms("add -m vggaccel -v $version");
is($status, 0, 'dkms add of a broken tree') or diag($said);
($status, $said) = dkms("install $module --no-depmod");
isnt($status, 0, 'a module that does not build is an error');
my ($log) = grep { -f } "$dir/dkms/vggaccel/$version/build/make.log",
	glob("$dir/dkms/vggaccel/$version/*/*/log/make.log");
my $text = $log ? `cat $log` : '';
like($text, qr/this kernel is too new/, 'make.log has the reason');
is_deeply([modules_below("$dir/modules")], [], 'nothing is installed');
($status, $said) = dkms("status -m vggaccel");
unlike($said, qr/built|installed/, 'and dkms does not say otherwise') or diag($said);
done_testing();
