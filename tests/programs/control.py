"""A PID controller in front of a tank with a delayed heater; what a setting costs."""

from collections import deque


def clamp(value, low, high):
    if value < low:
        return low
    if value > high:
        return high
    return value


class PID:
    def __init__(self, kp, ki=0.0, kd=0.0, limits=(None, None), smoothing=0.5):
        self.kp, self.ki, self.kd = kp, ki, kd
        self.limits = limits
        self.smoothing = smoothing
        self.reset()

    def reset(self):
        self.integral = 0.0
        self.previous_error = None
        self.derivative = 0.0
        self.saturated = 0

    def __call__(self, setpoint, measured, dt):
        error = setpoint - measured
        if self.previous_error is not None:
            raw = (error - self.previous_error) / dt
            self.derivative = self.smoothing * self.derivative + (1 - self.smoothing) * raw
        self.previous_error = error
        wanted = self.kp * error + self.ki * (self.integral + error * dt) + self.kd * self.derivative
        low, high = self.limits
        out = wanted
        if low is not None and out < low:
            out = low
        if high is not None and out > high:
            out = high
        if out == wanted:
            self.integral += error * dt
        else:
            self.saturated += 1
        return out


class Tank:
    """Heats with the input of `delay` steps ago, and loses heat to the room."""

    def __init__(self, temperature=20.0, room=20.0, loss=0.1, delay=3):
        self.temperature = temperature
        self.room = room
        self.loss = loss
        self.pipe = deque([0.0] * delay)

    def step(self, heat, dt):
        self.pipe.append(heat)
        arriving = self.pipe.popleft()
        self.temperature += dt * (arriving - self.loss * (self.temperature - self.room))
        return self.temperature


class Recorder:
    def __init__(self):
        self.rows = []
        self.worst = None

    def add(self, t, temperature, heat, error):
        self.rows.append((t, temperature, heat))
        if self.worst is None or abs(error) > abs(self.worst):
            self.worst = error

    def column(self, i):
        return [row[i] for row in self.rows]


def reference(t):
    return 60.0 if t < 20 else 40.0


def simulate(controller, plant, t_end=40.0, dt=0.5, disturbances=()):
    recorder = Recorder()
    t = 0.0
    temperature = plant.temperature
    settled = None
    while t < t_end:
        target = reference(t)
        heat = controller(target, temperature, dt)
        for start, size in disturbances:
            if start <= t < start + dt:
                plant.temperature -= size
        temperature = plant.step(heat, dt)
        error = target - temperature
        recorder.add(t, temperature, heat, error)
        if abs(error) < 1.0:
            if settled is None:
                settled = t
        else:
            settled = None
        t += dt
    return recorder, settled


def cost(gains, weights=(1.0, 0.01), trace=False):
    controller = PID(gains["kp"], gains["ki"], kd=gains["kd"], limits=(0.0, 12.0))
    plant = Tank(loss=0.12)
    recorder, settled = simulate(controller, plant, disturbances=[(12.0, 3.0)])
    comfort = sum((reference(t) - temp) ** 2 for t, temp, _ in recorder.rows)
    energy = sum(recorder.column(2))
    total = weights[0] * comfort + weights[1] * energy
    if settled is None:
        total += 100.0
    if trace:
        return total, recorder.column(1), controller.saturated, recorder.worst
    return total
