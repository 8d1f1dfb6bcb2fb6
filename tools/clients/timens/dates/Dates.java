// SPDX-License-Identifier: GPL-2.0-only
import java.time.Instant;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** As dates.cpp, by the clocks and the waits of a Java machine. */
public class Dates {
	private static void printDate() {
		Instant now = Instant.now();
		long millis = System.currentTimeMillis();

		if (Math.abs(millis - now.toEpochMilli()) > 60000)
			throw new IllegalStateException("currentTimeMillis() " + millis + ", now() " + now);
		System.out.printf("%d.%09d%n", now.getEpochSecond(), now.getNano());
	}

	public static void main(String[] arguments) throws Exception {
		long then = Long.parseLong(arguments[0]) * 1000;

		printDate();
		while (System.currentTimeMillis() < then)
			LockSupport.parkUntil(then);
		var executor = Executors.newScheduledThreadPool(1);
		executor.schedule(() -> {}, 10, TimeUnit.MILLISECONDS).get();
		executor.shutdown();
		printDate();
	}
}
