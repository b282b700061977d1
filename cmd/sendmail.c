#include "cli/programs.h"

int main(int argc, char **argv)
{
	return sendmail_main(argc, argv);
}
