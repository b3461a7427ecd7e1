# A CMake and a Meson project that find the staged library by pkg-config, and
# link with it shared and static.
packages="gcc cmake meson ninja-build pkg-config"
programs="sample-cmake sample-meson"
ways="path preload replaced"

prepare() {
	development
	cp -R "$here/sample" project
	without_original cmake -S project -B cmake-build
	without_original cmake --build cmake-build
	without_original meson setup meson-build project
	without_original ninja -C meson-build
	rm -rf dev
}

drive() {
	for build in cmake meson; do
		"$input/$build-build/sample-$build"
		"$input/$build-build/sample-$build-static"
		readelf -d "$input/$build-build/sample-$build-static" | grep -c 'talloc' || :
	done >result/said
}
