/*
 * secret_file.c
 *		Reads a file with a secret that the server alone may read.
 *
 * Without stdio, whose buffer could not be wiped.
 */
#include "postgres/secret_file.h"

#include "storage/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static SecretFileFault
read_all(int file, uint8 *buffer, size_t size, size_t *length)
{
	while (*length < size)
	{
		ssize_t		got = read(file, buffer + *length, size - *length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return SECRET_FILE_NOT_READ;
		if (got == 0)
			break;
		*length += (size_t) got;
	}
	return SECRET_FILE_FINE;
}

SecretFileFault
secret_file_read(const char *path, uint8 *buffer, size_t size, size_t *length)
{
	/* Without O_NONBLOCK, a pipe of that name would stop the process. */
	int			file = BasicOpenFile(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	SecretFileFault fault;

	*length = 0;
	if (file < 0)
		return SECRET_FILE_NOT_OPENED;
	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		fault = SECRET_FILE_NOT_REGULAR;
	else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		fault = SECRET_FILE_EXPOSED;
	else
		fault = read_all(file, buffer, size, length);
	close(file);
	return fault;
}
