#include "cli/programs.h"

int main(int argc, char **argv)
{
	return pillarbox_main(argc, argv);
}
