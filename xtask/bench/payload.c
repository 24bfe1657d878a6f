/* What runs in the containers of the benchmark: `true`, or by name `pause`, `spin`. */
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *name = argc ? argv[0] : "";
	const char *slash = strrchr(name, '/');
	name = slash ? slash + 1 : name;
	if (strcmp(name, "pause") == 0)
		pause();
	while (strcmp(name, "spin") == 0)
		;
	return 0;
}
