/* A Modbus server and a client that speak as libmodbus does, for the tests to hold our own against.
 *
 *     modbus serve tcp                          prints the port
 *     modbus serve rtu PATH BAUD UNIT           prints the path
 *     modbus ask tcp PORT UNIT QUESTION ...     prints what came, one number after the other, or why nothing did
 *     modbus ask rtu PATH BAUD UNIT QUESTION ...
 *
 * A question is `coils|discrete|holding|input ADDRESS COUNT`, `coil ADDRESS 0|1`, `register ADDRESS NUMBER`, or
 * `registers ADDRESS NUMBER ...`. The server has 2000 cells of each table: input register n holds 3n + 1, every third
 * discrete input is on, coils and holding registers begin at zero. It prints function and address of each request.
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CELLS 2000

static int failed(const char *what)
{
    printf("%s: %s\n", what, modbus_strerror(errno));
    return 1;
}

static modbus_mapping_t *filled(void)
{
    modbus_mapping_t *cells = modbus_mapping_new(CELLS, CELLS, CELLS, CELLS);
    if (cells == NULL)
        exit(failed("cells"));
    for (int n = 0; n < CELLS; n++) {
        cells->tab_input_registers[n] = (uint16_t)(3 * n + 1);
        cells->tab_input_bits[n] = n % 3 == 0;
    }
    return cells;
}

/* Until the other side has gone. */
static void serve(modbus_t *line, modbus_mapping_t *cells)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int head = modbus_get_header_length(line);
    for (;;) {
        int size = modbus_receive(line, request);
        if (size == -1 && errno != EMBBADCRC)
            return;
        if (size <= 0) /* not for this unit, or broken: no answer */
            continue;
        printf("%d %d\n", request[head], request[head + 1] << 8 | request[head + 2]);
        if (modbus_reply(line, request, size, cells) == -1)
            return;
    }
}

static int serve_tcp(void)
{
    modbus_t *line = modbus_new_tcp("127.0.0.1", 0);
    int listening = line == NULL ? -1 : modbus_tcp_listen(line, 1);
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    if (listening == -1 || getsockname(listening, (struct sockaddr *)&here, &size) == -1)
        return failed("listen");
    printf("%d\n", ntohs(here.sin_port));
    modbus_mapping_t *cells = filled();
    while (modbus_tcp_accept(line, &listening) != -1) {
        serve(line, cells);
        modbus_close(line);
    }
    return failed("accept");
}

static modbus_t *serial(char **words)
{
    modbus_t *line = modbus_new_rtu(words[0], atoi(words[1]), 'N', 8, 1);
    if (line == NULL || modbus_set_slave(line, atoi(words[2])) == -1 || modbus_connect(line) == -1)
        exit(failed(words[0]));
    return line;
}

static int serve_rtu(char **words)
{
    modbus_t *line = serial(words);
    printf("%s\n", words[0]);
    serve(line, filled());
    return 0;
}

static int ask(modbus_t *line, int count, char **words)
{
    const char *what = words[0];
    int address = atoi(words[1]), last = atoi(words[2]), came;
    uint8_t bits[MODBUS_MAX_READ_BITS];
    uint16_t registers[MODBUS_MAX_READ_REGISTERS];
    modbus_set_response_timeout(line, 2, 0);
    if (strcmp(what, "coils") == 0 || strcmp(what, "discrete") == 0) {
        came = what[0] == 'c' ? modbus_read_bits(line, address, last, bits)
                              : modbus_read_input_bits(line, address, last, bits);
        for (int n = 0; n < came; n++)
            printf("%d ", bits[n]);
    } else if (strcmp(what, "holding") == 0 || strcmp(what, "input") == 0) {
        came = what[0] == 'h' ? modbus_read_registers(line, address, last, registers)
                              : modbus_read_input_registers(line, address, last, registers);
        for (int n = 0; n < came; n++)
            printf("%d ", registers[n]);
    } else if (strcmp(what, "coil") == 0) {
        came = modbus_write_bit(line, address, last);
    } else if (strcmp(what, "register") == 0) {
        came = modbus_write_register(line, address, (uint16_t)last);
    } else {
        int numbers = count - 2;
        for (int n = 0; n < numbers && n < MODBUS_MAX_WRITE_REGISTERS; n++)
            registers[n] = (uint16_t)atoi(words[2 + n]);
        came = modbus_write_registers(line, address, numbers, registers);
    }
    if (came == -1)
        return failed(what);
    printf("\n");
    return 0;
}

static int ask_tcp(int count, char **words)
{
    modbus_t *line = modbus_new_tcp("127.0.0.1", atoi(words[0]));
    if (line == NULL || modbus_set_slave(line, atoi(words[1])) == -1 || modbus_connect(line) == -1)
        return failed("connect");
    return ask(line, count - 2, words + 2);
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 3 && strcmp(words[1], "serve") == 0)
        return serve_tcp();
    if (count == 6 && strcmp(words[1], "serve") == 0)
        return serve_rtu(words + 3);
    if (count >= 8 && strcmp(words[2], "tcp") == 0)
        return ask_tcp(count - 3, words + 3);
    if (count >= 9 && strcmp(words[2], "rtu") == 0)
        return ask(serial(words + 3), count - 6, words + 6);
    fprintf(stderr, "see the head of this program for its words\n");
    return 2;
}
