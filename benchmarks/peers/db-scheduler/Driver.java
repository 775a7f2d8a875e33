// See ../README.md for what a driver is told and says.
import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.SchedulerName;
import com.github.kagkarlsson.scheduler.event.AbstractSchedulerListener;
import com.github.kagkarlsson.scheduler.task.ExecutionComplete;
import com.github.kagkarlsson.scheduler.task.TaskDescriptor;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;

public class Driver {
    static final TaskDescriptor<Integer> NOTHING = TaskDescriptor.of("nothing", Integer.class);

    // The names and types that the library wants; the indexes that it advises.
    static final String TABLE = """
        CREATE TABLE scheduled_tasks (
          task_name text NOT NULL, task_instance text NOT NULL, task_data bytea, execution_time timestamptz NOT NULL,
          picked boolean NOT NULL, picked_by text, last_success timestamptz, last_failure timestamptz, consecutive_failures int,
          last_heartbeat timestamptz, version bigint NOT NULL, priority smallint, PRIMARY KEY (task_name, task_instance));
        CREATE INDEX ON scheduled_tasks (execution_time);
        CREATE INDEX ON scheduled_tasks (last_heartbeat);
        CREATE INDEX ON scheduled_tasks (priority DESC, execution_time)""";

    static int number(String name) {
        return Integer.parseInt(System.getenv(name));
    }

    static HikariDataSource source(int connections) {
        URI url = URI.create(System.getenv("PEER_URL"));
        String[] user = url.getUserInfo().split(":", 2);
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:postgresql://" + url.getHost() + ":" + (url.getPort() < 0 ? 5432 : url.getPort()) + url.getPath());
        config.setUsername(user[0]);
        config.setPassword(user.length > 1 ? user[1] : "");
        config.setMaximumPoolSize(connections);
        return new HikariDataSource(config);
    }

    static void ready() throws Exception {
        Properties about = new Properties();
        about.load(Scheduler.class.getResourceAsStream("/META-INF/maven/com.github.kagkarlsson/db-scheduler/pom.properties"));
        System.out.println("ready " + about.getProperty("version"));
        System.in.read();
    }

    static int enqueue(int jobs) throws Exception {
        try (HikariDataSource source = source(1)) {
            try (var connection = source.getConnection(); var statement = connection.createStatement()) {
                statement.execute(TABLE);
            }
            SchedulerClient client = SchedulerClient.Builder.create(source).build();
            int most = number("PEER_INSERT_BATCH");
            ready();
            for (int from = 0; from < jobs; from += most) {
                Stream<TaskInstance<?>> some =
                    IntStream.range(from, Math.min(jobs, from + most)).mapToObj(i -> NOTHING.instance(Integer.toString(i)).data(i).build());
                client.scheduleBatch(some, Instant.now());
            }
        }
        return jobs;
    }

    static int work(int jobs) throws Exception {
        int nodes = number("PEER_NODES");
        int threads = number("PEER_CONCURRENCY");
        double batch = number("PEER_BATCH");
        AtomicInteger count = new AtomicInteger();
        CountDownLatch left = new CountDownLatch(jobs);
        OneTimeTask<Integer> task = Tasks.oneTime(NOTHING).execute((instance, context) -> count.incrementAndGet());
        Scheduler[] schedulers = new Scheduler[nodes];
        for (int i = 0; i < nodes; ++i) {
            schedulers[i] = Scheduler.create(source(threads), task)
                .schedulerName(new SchedulerName.Fixed("node " + i))
                .threads(threads)
                .pollUsingLockAndFetch(4.0, batch / threads)
                .pollingInterval(Duration.ofMillis(50))
                .addSchedulerListener(new AbstractSchedulerListener() {
                    // After the row is deleted.
                    @Override
                    public void onExecutionComplete(ExecutionComplete execution) {
                        left.countDown();
                    }
                })
                .build();
        }
        ready();
        for (Scheduler scheduler : schedulers) scheduler.start();
        left.await();
        return count.get();
    }

    public static void main(String[] arguments) throws Exception {
        int jobs = number("PEER_JOBS");
        System.out.println("done " + (arguments[0].equals("enqueue") ? enqueue(jobs) : work(jobs)));
        System.exit(0);
    }
}
